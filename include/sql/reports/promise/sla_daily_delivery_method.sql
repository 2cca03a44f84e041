-- sla_daily by delivery method: sums of it are its counts, for charts that are filtered by method.
-- Grain: one row per account, local due date and delivery method.
with

counted as (

    select
        account,
        due_date,
        delivery_id,
        sum(orders) as orders,
        sum(on_time) as on_time,
        sum(late) as late,
        sum(overdue) as overdue,
        sum(pending) as pending,
        sum(excluded) as excluded,
        sum(unknown) as unknown,
        sum(perhaps_on_time) as perhaps_on_time,
        sum(perhaps_late) as perhaps_late
    from intermediate.sla_cohort
    where due_date is not null
    group by account, due_date, delivery_id

)

select
    c.account,
    c.due_date,
    c.delivery_id,
    m.name as delivery_name,
    c.orders,
    c.on_time,
    c.late,
    c.overdue,
    c.pending,
    c.excluded,
    c.unknown,
    c.perhaps_on_time,
    c.perhaps_late
from counted as c
left join marts.dim_delivery_method as m
    on
        c.account = m.account
        and c.delivery_id = m.delivery_id
