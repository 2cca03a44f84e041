-- What polls saw of an order, with the cycle and the attempt it belongs to.
-- Grain: one row per order and version whose status text is mapped.
with

-- read in place each time, never copied
polls as not materialized (

    select
        order_no,
        version_no,
        after_utc,
        at_utc,
        is_restored,
        is_created_on_hold,
        is_hold_set,
        is_released,
        is_waiting,
        is_stock_ready,
        is_sent_back,
        is_pushed,
        is_problem_begun,
        is_problem_ended,
        is_packed,
        is_not_sent,
        is_sent,
        is_delivered,
        is_returned,
        is_cancelled
    from intermediate.order_poll

)

select
    p.*,
    coalesce(a.cycle_no, 1) as cycle_no,
    coalesce(a.attempt_no, 1) as attempt_no,
    coalesce(a.is_last_attempt, true) as is_last_attempt
from polls as p
left join intermediate.order_poll_attempt as a
    on
        p.order_no = a.order_no
        and p.version_no = a.version_no
