-- Requests of the merchant on SHOPLINE's fulfillment orders: to fulfil or to cancel them.
-- Grain: one row per account, fulfillment order and request.
with

requests as (

    select
        account,
        fulfillment_order_id,
        request_no,
        kind,
        sent_at_utc,
        has_message,
        notifies_customer,
        first_received_at_utc,
        last_received_at_utc
    from staging.shopline_merchant_requests
    where _deleted_at is null

)

select
    account,
    fulfillment_order_id,
    request_no,
    kind,
    sent_at_utc,
    has_message,
    notifies_customer,
    first_received_at_utc,
    last_received_at_utc
from requests
