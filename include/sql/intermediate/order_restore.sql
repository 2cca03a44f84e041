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

-- a cancellation no event told of
polled as (

    select
        k.order_no,
        'cancelled' as event_type,
        p.latest_utc as after_utc,
        p.latest_utc as at_utc
    from restored as r
    inner join intermediate.order_key as k
        on r.order_no = k.order_no
    inner join staging.orders_history as h
        on
            k.account = h.account
            and k.order_id = h.order_id
    inner join intermediate.order_status_map as m
        on h.source_status = m.source_status
    inner join intermediate.order_poll_time as p
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
