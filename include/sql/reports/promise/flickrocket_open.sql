-- FlickRocket orders that nobody has seen shipped.
-- Grain: one row per account and fulfillment.
with

fulfillments as (

    select
        account,
        fulfillment_id,
        created_at_utc,
        country_code,
        shipping_model,
        last_seen_open_at,
        line_count,
        quantity
    from marts.fct_flickrocket_fulfillment
    where not is_shipped

)

select
    f.account,
    f.fulfillment_id,
    f.created_at_utc,
    f.country_code,
    f.shipping_model,
    f.line_count,
    f.quantity,
    f.last_seen_open_at,
    intermediate.hours_between(f.created_at_utc, r.now_utc) as open_hours
from fulfillments as f
cross join intermediate.run_now as r
