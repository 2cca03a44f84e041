-- On-time dispatch by delivery method.
-- Grain: one row per account, month of the due day, delivery method and kind of stock.
with

fulfillments as (

    select
        account,
        order_id,
        delivery_id,
        due_date,
        sla_state,
        could_be_on_time,
        could_be_late,
        late_business_hours
    from marts.fct_fulfillment
    where is_latest_cycle

),

-- a segment of their own: they are filled from damaged stock
damaged_sales as (

    select
        account,
        order_id
    from marts.fct_order
    where is_damaged_sale

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
        f.account,
        cast(date_trunc('month', f.due_date) as date) as due_month,
        f.delivery_id,
        d.order_id is not null as is_damaged_sale,
        count(*) as orders,
        count(*) filter (where f.sla_state = 'on_time') as on_time,
        count(*) filter (where f.sla_state = 'late') as late,
        count(*) filter (where f.sla_state = 'overdue') as overdue,
        count(*) filter (where f.sla_state = 'pending') as pending,
        count(*) filter (where f.sla_state = 'excluded') as excluded,
        count(*) filter (where f.sla_state = 'unknown') as unknown,
        count(*) filter (where f.sla_state = 'unknown' and f.could_be_on_time) as perhaps_on_time,
        count(*) filter (where f.sla_state = 'unknown' and f.could_be_late) as perhaps_late,
        median(f.late_business_hours) as median_late_business_hours
    from fulfillments as f
    left join damaged_sales as d
        on
            f.account = d.account
            and f.order_id = d.order_id
    group by all

)

select
    c.account,
    c.due_month,
    c.delivery_id,
    m.name as delivery_name,
    c.is_damaged_sale,
    c.orders,
    c.on_time,
    c.late,
    c.overdue,
    c.pending,
    c.excluded,
    c.unknown,
    c.perhaps_on_time,
    c.perhaps_late,
    c.on_time / nullif(c.on_time + c.late + c.overdue, 0) as on_time_rate,
    c.on_time / nullif(c.on_time + c.late + c.overdue + c.unknown, 0) as on_time_rate_sure,
    (c.on_time + c.perhaps_on_time) / nullif(c.on_time + c.late + c.overdue + c.perhaps_on_time, 0)
        as on_time_rate_possible,
    c.median_late_business_hours
from counted as c
left join methods as m
    on
        c.account = m.account
        and c.delivery_id = m.delivery_id
