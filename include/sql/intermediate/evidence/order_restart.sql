-- Where an order begins again: restored after a cancellation (a new cycle) or not sent (a new attempt).
-- Grain: one row per order and restart; few orders have any.
with

by_poll as (

    select
        order_no,
        version_no,
        is_restored,
        is_not_sent,
        after_utc,
        at_utc
    from intermediate.order_poll
    where is_restored or is_not_sent

),

by_event as (

    select
        order_no,
        true as is_restored,
        after_utc,
        at_utc
    from intermediate.order_restore
    union all
    select distinct
        order_no,
        false as is_restored,
        after_utc,
        at_utc
    from intermediate.order_webhook
    where event_type = 'not_sent'

),

-- a restart polls saw in whose time an event tells of one is that one
polled_only as (

    select p.*
    from by_poll as p
    left join by_event as e
        on
            p.order_no = e.order_no
            and p.is_restored = e.is_restored
            and e.at_utc > p.after_utc
            and e.after_utc <= p.at_utc
    where e.order_no is null

),

restarts as (

    select
        order_no,
        version_no,
        is_restored,
        is_not_sent,
        after_utc,
        at_utc,
        'poll' as evidence
    from polled_only
    union all
    select
        order_no,
        cast(null as bigint) as version_no,
        is_restored,
        not is_restored as is_not_sent,
        after_utc,
        at_utc,
        'webhook' as evidence
    from by_event

)

select
    order_no,
    row_number() over so_far as restart_no,
    version_no,
    is_restored,
    is_not_sent,
    after_utc,
    at_utc,
    evidence,
    1 + sum(cast(is_restored as bigint)) over so_far as cycle_no,
    1 + sum(cast(is_not_sent as bigint)) over so_far as attempt_no
from restarts
window so_far as (partition by order_no order by at_utc, is_restored desc, version_no)
