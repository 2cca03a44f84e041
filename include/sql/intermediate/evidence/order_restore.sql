-- Restores that webhooks tell of, doubled ones once: only what was cancelled since can be restored again.
-- Grain: one row per order and restore; few orders have any.
with

events as (

    select
        order_no,
        event_type,
        after_utc,
        at_utc
    from intermediate.order_webhook
    where event_type in ('restored', 'cancelled')

),

restored as (

    select distinct order_no
    from events
    where event_type = 'restored'

),

restored_keys as (

    select
        k.account,
        k.order_id,
        k.order_no
    from intermediate.order_base as k
    inner join restored as r
        on k.order_no = r.order_no

),

-- a cancellation no event told of
polled as (

    select
        k.order_no,
        'cancelled' as event_type,
        p.latest_utc as after_utc,
        p.latest_utc as at_utc
    from staging.orders_history as h
    inner join restored_keys as k
        on
            h.account = k.account
            and h.order_id = k.order_id
    inner join intermediate.order_status_map as m
        on h.source_status = m.source_status
    inner join intermediate.observation as p
        on h._valid_from = p.local_at
    where m.status = 'cancelled'

),

in_order as (

    select
        e.order_no,
        cast(e.event_type as varchar) as event_type,
        e.after_utc,
        e.at_utc
    from events as e
    inner join restored as r
        on e.order_no = r.order_no
    union all
    select *
    from polled

)

select
    order_no,
    after_utc,
    at_utc
from in_order
qualify
    event_type = 'restored'
    and coalesce(
        lag(event_type) over (partition by order_no order by at_utc, event_type) <> 'restored', true
    )
