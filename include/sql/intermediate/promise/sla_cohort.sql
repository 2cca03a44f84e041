-- Orders due on a day, counted by state, delivery method and kind of stock: the reports of on-time dispatch add these.
-- Grain: one row per account, local due date, delivery method and kind of stock.
with

fulfillments as (

    select
        account,
        order_id,
        delivery_id,
        due_date,
        due_after_date is not distinct from due_date as is_only_day,
        sla_state,
        could_be_on_time,
        could_be_late
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

)

select
    f.account,
    f.due_date,
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
    count(*) filter (where f.is_only_day and f.sla_state = 'on_time') as surely_on_time,
    count(*) filter (where f.is_only_day and f.sla_state in ('late', 'overdue')) as surely_late
from fulfillments as f
left join damaged_sales as d
    on
        f.account = d.account
        and f.order_id = d.order_id
group by all
