-- Where an order begins again: restored after a cancellation (a new cycle) or not sent (a new attempt).
-- Grain: one row per order and break; few orders have any.
with

polls as (

    select
        order_no,
        version_no,
        after_utc,
        at_utc,
        is_restored,
        is_not_sent
    from intermediate.order_poll
    where is_restored or is_not_sent

)

select
    order_no,
    version_no,
    is_restored,
    is_not_sent,
    after_utc,
    at_utc,
    1 + sum(cast(is_restored as bigint)) over so_far as cycle_no,
    1 + sum(cast(is_not_sent as bigint)) over so_far as attempt_no
from polls
window so_far as (partition by order_no order by version_no)
