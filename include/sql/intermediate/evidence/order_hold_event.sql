-- Events of webhooks whose payload says whether an order is on hold.
-- Grain: one row per account and event.
with

-- one that was not on hold when it was created tells nothing new
creations as (

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
        and event_type = 'OrderCreated'
        and _deleted_at is null
        and is_on_hold

),

-- apart from creations: one filter for both would read each payload several times
updates as (

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
        and event_type = 'OrderUpdated'
        and _deleted_at is null
        and is_on_hold is not null

)

select *
from creations
union all
select *
from updates
