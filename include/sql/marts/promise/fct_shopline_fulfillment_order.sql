-- SHOPLINE's fulfillment orders as its webhooks told them.
-- Grain: one row per account and fulfillment order.
with

orders as (

    select
        account,
        fulfillment_order_id,
        order_id,
        shop_id,
        status,
        request_status,
        assigned_location_id,
        location_name,
        location_city,
        location_province,
        location_country,
        location_country_code,
        supported_actions,
        delivery_method,
        min_delivery_at_utc,
        max_delivery_at_utc,
        service_code,
        destination_country_code,
        destination_province,
        destination_province_code,
        destination_postcode,
        delivery_store_code,
        delivery_store_name,
        request_kind,
        request_sent_at_utc,
        created_at_utc,
        is_whole,
        event_count,
        first_received_at_utc,
        last_received_at_utc
    from staging.shopline_fulfillment_orders
    where _deleted_at is null

),

lines as (

    select
        account,
        fulfillment_order_id,
        count(*) as line_count,
        cast(sum(quantity) as bigint) as quantity,
        cast(sum(fulfillable_quantity) as bigint) as fulfillable_quantity
    from staging.shopline_fulfillment_order_lines
    where _deleted_at is null
    group by account, fulfillment_order_id

),

holds as (

    select
        account,
        fulfillment_order_id,
        count(*) as hold_count
    from staging.shopline_fulfillment_order_holds
    where _deleted_at is null
    group by account, fulfillment_order_id

)

select
    o.account,
    o.fulfillment_order_id,
    o.order_id,
    o.shop_id,
    o.status,
    o.request_status,
    o.status = 'on_hold' as is_on_hold,
    o.assigned_location_id,
    o.location_name,
    o.location_city,
    o.location_province,
    o.location_country,
    o.location_country_code,
    array_to_string(o.supported_actions, ', ') as supported_actions,
    o.delivery_method,
    o.min_delivery_at_utc,
    o.max_delivery_at_utc,
    o.service_code,
    o.destination_country_code,
    o.destination_province,
    o.destination_province_code,
    o.destination_postcode,
    o.delivery_store_code,
    o.delivery_store_name,
    o.request_kind,
    o.request_sent_at_utc,
    o.created_at_utc,
    o.is_whole,
    coalesce(l.line_count, 0) as line_count,
    l.quantity,
    l.fulfillable_quantity,
    coalesce(h.hold_count, 0) as hold_count,
    o.event_count,
    o.first_received_at_utc,
    o.last_received_at_utc,
    'webhook' as evidence
from orders as o
left join lines as l
    on
        o.account = l.account
        and o.fulfillment_order_id = l.fulfillment_order_id
left join holds as h
    on
        o.account = h.account
        and o.fulfillment_order_id = h.fulfillment_order_id
