-- Events of webhooks that name the state of an order's shipment; one that names none says nothing.
-- Grain: one row per account and event.
select
    account,
    subject_id as order_id,
    received_no,
    event_type as source_type,
    payload ->> '$.data.delivery.status' as shipment_status,
    occurred_text,
    occurred_at,
    occurred_at_utc,
    received_at_utc
from staging.webhook_events
where
    source = 'fulfillment_cz'
    and subject_kind = 'order'
    and event_type = 'OrderDeliveryChanged'
    and _deleted_at is null
    and shipment_status <> ''
