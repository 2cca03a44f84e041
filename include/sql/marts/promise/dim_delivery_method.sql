-- Delivery methods, those no longer offered too.
-- Grain: one row per account and delivery method.
with

deliveries as (

    select
        account,
        delivery_id,
        name,
        needs_place,
        _deleted_at as deleted_at
    from staging.deliveries

)

select *
from deliveries
