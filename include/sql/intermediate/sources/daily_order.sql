-- Orders by the day on which they were placed, and by each day on which a movement took pieces of them out of stock.
-- Grain: one row per account, kind, local day and order of the last sixteen weeks.
with

current_run as (

    select cast(as_of as date) as today
    from intermediate.run_now

)

select
    o.account,
    'orders' as kind,
    cast(o.created_at as date) as date,
    o.order_id,
    o.created_at as local_at
from staging.orders as o
cross join current_run as r
where
    o.created_at >= r.today - interval 16 week
    and o._deleted_at is null
union all
-- of a movement the order that left with it: an order of a hundred lines is as much of a sign as one of two
select
    m.account,
    'dispatches' as kind,
    cast(m.created_at as date) as date,
    m.order_id,
    min(m.created_at) as local_at
from staging.movements as m
cross join current_run as r
where
    m.created_at >= r.today - interval 16 week
    and m.direction = 'out'
    and m.order_id is not null
    and m._deleted_at is null
group by m.account, cast(m.created_at as date), m.order_id
