-- Orders that left, by the system that says so, with the day and the carrier.
-- Grain: one row per system, account and order.
with

fulfillments as (

    select
        account,
        order_id,
        -- the one it left with
        delivery_id,
        coalesce(stock_out_at_utc, packed_at_utc, sent_at_utc, delivered_at_utc, returned_at_utc) as shipped_at_utc
    from marts.fct_fulfillment
    where is_latest_cycle

),

orders as (

    select
        account,
        order_id,
        has_own_label
    from marts.fct_order

),

methods as (

    select
        account,
        delivery_id,
        name
    from marts.dim_delivery_method

),

zone_days as (

    select
        date,
        utc_offset,
        utc_change_at,
        utc_offset_after
    from intermediate.calendar_zone_day

),

flickrocket_orders as (

    select
        account,
        fulfillment_id as order_id,
        cast(first_seen_shipped_at as date) as shipped_date,
        shipping_model as carrier
    from marts.fct_flickrocket_fulfillment
    where is_shipped

),

shopline_fulfillments as (

    select
        account,
        coalesce(order_id, fulfillment_id) as order_id,
        created_at_utc,
        staging.reference_of(tracking_company) as carrier
    from marts.fct_shopline_fulfillment
    where status is distinct from 'cancelled'

),

shopline_carriers as (

    select
        account,
        order_id,
        min(created_at_utc) as shipped_at_utc,
        min(staging.bare_of(carrier)) as carrier
    from shopline_fulfillments
    group by account, order_id, lower(staging.bare_of(carrier))

),

-- an order of several carriers is of none of them alone
shopline_parcels as (

    select
        account,
        order_id,
        min(shipped_at_utc) as shipped_at_utc,
        string_agg(carrier, ', ' order by carrier) as carrier
    from shopline_carriers
    group by account, order_id

),

shipped as (

    select
        'fulfillment_cz' as system,
        f.account,
        f.order_id,
        cast(intermediate.local_at(f.shipped_at_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after) as date)
            as shipped_date,
        f.delivery_id,
        m.name as carrier,
        o.has_own_label
    from fulfillments as f
    inner join orders as o
        on
            f.account = o.account
            and f.order_id = o.order_id
    inner join zone_days as z
        on cast(f.shipped_at_utc as date) = z.date
    left join methods as m
        on
            f.account = m.account
            and f.delivery_id = m.delivery_id
    union all by name
    select
        'flickrocket' as system,
        *
    from flickrocket_orders
    union all by name
    select
        'shopline' as system,
        s.account,
        s.order_id,
        cast(intermediate.local_at(s.shipped_at_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after) as date)
            as shipped_date,
        s.carrier
    from shopline_parcels as s
    left join zone_days as z
        on cast(s.shipped_at_utc as date) = z.date

),

-- one carrier however it is typed, by the spelling that comes first
spellings as (

    select
        carrier,
        min(staging.bare_of(carrier)) over (partition by lower(staging.bare_of(carrier))) as spelling
    from (
        select distinct carrier
        from shipped
        where carrier is not null
    )

)

select
    s.system,
    s.account,
    s.order_id,
    s.shipped_date,
    s.delivery_id,
    nullif(c.spelling, '') as carrier,
    s.has_own_label
from shipped as s
left join spellings as c
    on s.carrier = c.carrier
