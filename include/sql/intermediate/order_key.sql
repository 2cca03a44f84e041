-- A short key of every order the source still has, for joins inside a build.
-- Grain: one row per account and order; the number means nothing outside one build.
with

orders as (

    select
        account,
        order_id,
        rowid as order_no,
        created_at,
        created_at_utc,
        delivery_id,
        dispatch_date
    from staging.orders
    where _deleted_at is null

)

select
    account,
    order_id,
    order_no,
    created_at_utc,
    cast(created_at as date) as created_date,
    delivery_id,
    dispatch_date
from orders
