-- A short key of every order the source still has, for joins inside a build.
-- Grain: one row per account and order made by now; the number means nothing outside one build.
with

orders as (

    select
        o.account,
        o.order_id,
        o.rowid as order_no,
        o.created_at,
        o.created_at_utc,
        o.delivery_id,
        w.warehouse_id,
        o.dispatch_date
    from staging.orders as o
    cross join intermediate.run_now as r
    left join intermediate.order_warehouse as w
        on
            o.account = w.account
            and o.order_id = w.order_id
    where
        o._deleted_at is null
        and coalesce(o.created_at_utc <= r.now_utc, true)

)

select
    account,
    order_id,
    order_no,
    created_at_utc,
    cast(created_at as date) as created_date,
    delivery_id,
    warehouse_id,
    dispatch_date
from orders
