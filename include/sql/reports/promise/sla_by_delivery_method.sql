-- On-time dispatch by delivery method.
-- Grain: one row per account, month of the due day, delivery method and kind of stock.
with

late_orders as (

    select
        account,
        order_id,
        delivery_id,
        due_date,
        late_business_hours
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and late_business_hours is not null

),

-- a segment of their own: they are filled from damaged stock
damaged_sales as (

    select
        account,
        order_id
    from marts.fct_order
    where is_damaged_sale

),

medians as (

    select
        f.account,
        cast(date_trunc('month', f.due_date) as date) as due_month,
        f.delivery_id,
        d.order_id is not null as is_damaged_sale,
        median(f.late_business_hours) as median_late_business_hours
    from late_orders as f
    left join damaged_sales as d
        on
            f.account = d.account
            and f.order_id = d.order_id
    group by all

),

counted as (

    select
        account,
        cast(date_trunc('month', due_date) as date) as due_month,
        delivery_id,
        is_damaged_sale,
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
    h.median_late_business_hours
from counted as c
left join medians as h
    on
        c.account = h.account
        and c.due_month is not distinct from h.due_month
        and c.delivery_id is not distinct from h.delivery_id
        and c.is_damaged_sale = h.is_damaged_sale
left join marts.dim_delivery_method as m
    on
        c.account = m.account
        and c.delivery_id = m.delivery_id
