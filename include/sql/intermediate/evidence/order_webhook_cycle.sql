-- What webhooks say happened to orders, with the cycle and the attempt it belongs to.
-- Grain: one row per order and event.
with

-- read in place each time, never copied
events as not materialized (

    select
        order_no,
        received_no,
        event_type,
        shipment_status,
        has_note,
        after_utc,
        at_utc
    from intermediate.order_webhook

)

select
    e.*,
    coalesce(a.cycle_no, 1) as cycle_no,
    coalesce(a.attempt_no, 1) as attempt_no,
    coalesce(a.is_last_attempt, true) as is_last_attempt
from events as e
left join intermediate.order_webhook_attempt as a
    on
        e.order_no = a.order_no
        and e.received_no = a.received_no
