-- sla_daily by delivery method: sums of it are its counts, for charts that are filtered by method.
-- Grain: one row per account, local due date and delivery method.
with

fulfillments as (

    select
        account,
        due_date,
        delivery_id,
        sla_state,
        could_be_on_time,
        could_be_late
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and due_date is not null

),

methods as (

    select
        account,
        delivery_id,
        name
    from marts.dim_delivery_method

),

counted as (

    select
        account,
        due_date,
        delivery_id,
        count(*) as orders,
        count(*) filter (where sla_state = 'on_time') as on_time,
        count(*) filter (where sla_state = 'late') as late,
        count(*) filter (where sla_state = 'overdue') as overdue,
        count(*) filter (where sla_state = 'pending') as pending,
        count(*) filter (where sla_state = 'excluded') as excluded,
        count(*) filter (where sla_state = 'unknown') as unknown,
        count(*) filter (where sla_state = 'unknown' and could_be_on_time) as perhaps_on_time,
        count(*) filter (where sla_state = 'unknown' and could_be_late) as perhaps_late
    from fulfillments
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
left join methods as m
    on
        c.account = m.account
        and c.delivery_id = m.delivery_id
