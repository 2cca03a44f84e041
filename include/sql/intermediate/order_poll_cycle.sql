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

),

breaks as (

    select
        order_no,
        version_no,
        is_restored,
        is_not_sent,
        at_utc,
        cycle_no,
        attempt_no
    from intermediate.order_break

),

-- few orders have breaks: the inequality meets only their versions
begun_again as (

    select
        p.order_no,
        p.version_no,
        -- the version that shows a failed attempt already belongs to the next one
        1 + count(*) filter (where b.is_restored) as cycle_no,
        1 + count(*) filter (where b.is_not_sent) as attempt_no
    from polls as p
    inner join breaks as b
        on
            p.order_no = b.order_no
            and case when b.version_no is null then b.at_utc <= p.at_utc else b.version_no <= p.version_no end
    group by p.order_no, p.version_no

),

last_attempts as (

    select
        order_no,
        cycle_no,
        max(attempt_no) as attempt_no
    from breaks
    group by order_no, cycle_no

)

select
    p.*,
    coalesce(b.cycle_no, 1) as cycle_no,
    coalesce(b.attempt_no, 1) as attempt_no,
    coalesce(b.attempt_no, 1) >= coalesce(a.attempt_no, 1) as is_last_attempt
from polls as p
left join begun_again as b
    on
        p.order_no = b.order_no
        and p.version_no = b.version_no
left join last_attempts as a
    on
        p.order_no = a.order_no
        and coalesce(b.cycle_no, 1) = a.cycle_no
