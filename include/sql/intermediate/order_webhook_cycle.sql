-- What webhooks say happened to orders, with the cycle and the attempt it belongs to.
-- Grain: one row per order and event.
with

-- read in place each time, never copied
events as not materialized (

    select
        order_no,
        received_no,
        event_type,
        after_utc,
        at_utc
    from intermediate.order_webhook

),

breaks as (

    select
        order_no,
        version_no,
        is_restored,
        is_not_sent,
        after_utc,
        at_utc,
        cycle_no,
        attempt_no
    from intermediate.order_break

),

begun_again as (

    select
        e.order_no,
        e.received_no,
        1 + count(*) filter (
            where b.is_restored and case when b.version_no is null then b.at_utc <= e.at_utc else b.after_utc < e.at_utc end
        ) as cycle_no,
        1 + count(*) filter (where b.is_not_sent and b.at_utc < e.at_utc) as attempt_no
    from events as e
    inner join breaks as b
        on e.order_no = b.order_no
    group by e.order_no, e.received_no

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
    e.*,
    coalesce(b.cycle_no, 1) as cycle_no,
    coalesce(b.attempt_no, 1) as attempt_no,
    coalesce(b.attempt_no, 1) >= coalesce(a.attempt_no, 1) as is_last_attempt
from events as e
left join begun_again as b
    on
        e.order_no = b.order_no
        and e.received_no = b.received_no
left join last_attempts as a
    on
        e.order_no = a.order_no
        and coalesce(b.cycle_no, 1) = a.cycle_no
