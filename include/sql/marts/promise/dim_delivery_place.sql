-- Pick-up places of the delivery methods, those no longer offered too.
-- Grain: one row per account, delivery method and place.
with

places as (

    select
        account,
        delivery_id,
        place_id,
        ext_id,
        country_code,
        place_name,
        street,
        city,
        postcode,
        _deleted_at as deleted_at
    from staging.delivery_places

),

methods as (

    select
        account,
        delivery_id,
        name
    from marts.dim_delivery_method

)

select
    p.account,
    p.delivery_id,
    m.name as delivery_name,
    p.place_id,
    p.ext_id,
    upper(p.country_code) as country_code,
    p.place_name,
    p.street,
    p.city,
    p.postcode,
    p.deleted_at
from places as p
left join methods as m
    on
        p.account = m.account
        and p.delivery_id = m.delivery_id
