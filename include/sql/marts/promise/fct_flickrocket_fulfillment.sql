-- FlickRocket's physical orders: shipped or not, and since when that was seen.
-- Grain: one row per account and fulfillment.
with

current_run as (

    select now_utc
    from intermediate.run_now

),

fulfillments as (

    select
        account,
        fulfillment_id,
        created_at,
        created_at_utc,
        status,
        country_code,
        province,
        province_code,
        customer_key,
        customer_token_key,
        shipping_company_id,
        shipping_model,
        tracking_number
    from staging.flickrocket_fulfillments
    cross join current_run
    where
        _deleted_at is null
        and coalesce(created_at_utc <= now_utc, true)

),

lines as (

    select
        account,
        fulfillment_id,
        count(*) as line_count,
        cast(sum(quantity) as bigint) as quantity
    from staging.flickrocket_fulfillment_lines
    where _deleted_at is null
    group by account, fulfillment_id

),

seen as (

    select
        account,
        fulfillment_id,
        min(_valid_from) filter (where status = 100) as first_seen_shipped_at,
        max(_last_seen_at) filter (where status <> 100) as last_seen_open_at
    from staging.flickrocket_fulfillments_history
    group by account, fulfillment_id

)

select
    f.account,
    f.fulfillment_id,
    f.created_at,
    f.created_at_utc,
    f.status,
    f.status = 100 as is_shipped,
    s.first_seen_shipped_at,
    s.last_seen_open_at,
    f.country_code,
    f.province,
    f.province_code,
    f.customer_key,
    f.customer_token_key,
    f.shipping_company_id,
    f.shipping_model,
    f.tracking_number,
    coalesce(l.line_count, 0) as line_count,
    coalesce(l.quantity, 0) as quantity
from fulfillments as f
left join lines as l
    on
        f.account = l.account
        and f.fulfillment_id = l.fulfillment_id
left join seen as s
    on
        f.account = s.account
        and f.fulfillment_id = s.fulfillment_id
