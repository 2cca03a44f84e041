-- The warehouse that ships an order: what the order says, else the latest event that names one.
-- Grain: one row per account and order that anything names a warehouse of.
with

orders as (

    select
        account,
        order_id,
        warehouse_id
    from staging.orders
    where
        _deleted_at is null
        and warehouse_id is not null

),

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

),

latest as (

    select
        account,
        order_id,
        arg_max_null(warehouse_text, (happened_at_utc, received_no)) as warehouse_text
    from named
    where warehouse_text is not null
    group by account, order_id

)

select
    account,
    order_id,
    warehouse_id
from orders
union all
select
    l.account,
    l.order_id,
    staging.id_of(l.warehouse_text) as warehouse_id
from latest as l
anti join orders as o
    on
        l.account = o.account
        and l.order_id = o.order_id
