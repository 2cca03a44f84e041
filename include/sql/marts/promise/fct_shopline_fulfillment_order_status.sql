-- What was heard of SHOPLINE's fulfillment orders, event by event.
-- Grain: one row per account, fulfillment order, event and the part it has in it.
with

events as (

    select
        account,
        fulfillment_order_id,
        received_no,
        role,
        event_id,
        event_type,
        received_at_utc,
        status,
        request_status,
        assigned_location_id
    from staging.shopline_fulfillment_order_events

)

select
    account,
    fulfillment_order_id,
    received_no,
    role,
    event_id,
    event_type,
    received_at_utc,
    lead(received_at_utc) over arrival as next_received_at_utc,
    status,
    request_status,
    assigned_location_id,
    coalesce(
        status is distinct from lag(status ignore nulls) over arrival and status is not null,
        false
    ) as is_new_status
from events
window
    arrival as (
        partition by account, fulfillment_order_id
        order by received_no, role
    )
