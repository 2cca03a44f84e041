-- Events that name the warehouse of an order.
-- Grain: one row per account and event that names one.
with

events as (

    select
        account,
        subject_id as order_id,
        received_no,
        -- an event came after it happened, whatever its clock says
        least(occurred_at_utc, received_at_utc) as happened_at_utc,
        payload ->> '$.warehouse_id' as warehouse_text,
        payload ->> '$.data.warehouse_id' as data_warehouse_text
    from staging.webhook_events
    where
        source = 'fulfillment_cz'
        and subject_kind = 'order'
        and contains(cast(payload as varchar), '"warehouse_id"')

),

-- each step by itself: a macro of a macro's result is planned for seconds
named as (

    select
        account,
        order_id,
        received_no,
        happened_at_utc,
        coalesce(
            staging.reference_of(warehouse_text),
            staging.reference_of(data_warehouse_text)
        ) as warehouse_text
    from events

)

select
    account,
    order_id,
    received_no,
    happened_at_utc,
    staging.id_of(warehouse_text) as warehouse_id
from named
where warehouse_text is not null
