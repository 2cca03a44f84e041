-- SHOPLINE's fulfillments (parcels) as its webhooks told them.
-- Grain: one row per account and fulfillment.
with

parcels as (

    select
        account,
        fulfillment_id,
        order_id,
        name,
        status,
        shipment_status,
        tracking_company,
        tracking_number,
        created_at_utc,
        updated_at_utc,
        event_count,
        last_received_at_utc
    from staging.shopline_fulfillments
    where _deleted_at is null

)

select
    account,
    fulfillment_id,
    order_id,
    name,
    status,
    shipment_status,
    tracking_company,
    tracking_number,
    created_at_utc,
    updated_at_utc,
    event_count,
    last_received_at_utc
from parcels
