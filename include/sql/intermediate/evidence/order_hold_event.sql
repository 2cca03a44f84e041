-- Events of webhooks whose payload says whether an order is on hold.
-- Grain: one row per account and event; of creations only those on hold, the others say nothing new.
with

events as not materialized (

    select
        account,
        subject_id as order_id,
        received_no,
        event_type as source_type,
        staging.truth_of(coalesce(payload ->> '$.data.on_hold', payload ->> '$.on_hold')) as is_on_hold,
        occurred_text,
        occurred_at,
        occurred_at_utc,
        received_at_utc
    from staging.webhook_events
    where
        source = 'fulfillment_cz'
        and subject_kind = 'order'
        and event_type in ('OrderCreated', 'OrderUpdated')
        and _deleted_at is null

)

select *
from events
where
    is_on_hold
    or (source_type = 'OrderUpdated' and is_on_hold is not null)
