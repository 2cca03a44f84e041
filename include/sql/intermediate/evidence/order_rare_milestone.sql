-- Milestones that few orders have, and both readings of those in the repeated hour: counted apart and joined once, for
-- in the aggregates of order_milestone each of it would cost in every row.
-- Grain: one row per order and cycle that has any.
with

by_poll as (

    select
        order_no,
        cycle_no,
        min(after_utc) filter (where is_returned) as returned_by_poll_after_utc,
        min(at_utc) filter (where is_returned) as returned_by_poll_at_utc,
        min(after_utc) filter (where is_cancelled) as cancelled_by_poll_after_utc,
        min(at_utc) filter (where is_cancelled) as cancelled_by_poll_at_utc,
        min(after_utc) filter (where is_problem_begun) as problem_began_after_utc,
        min(at_utc) filter (where is_problem_begun) as problem_began_at_utc,
        max(after_utc) filter (where is_problem_ended) as problem_ended_after_utc,
        max(at_utc) filter (where is_problem_ended) as problem_ended_at_utc
    from intermediate.order_poll_cycle
    where is_returned or is_cancelled or is_problem_begun or is_problem_ended
    group by order_no, cycle_no

),

by_event as (

    select
        order_no,
        cycle_no,
        min(after_utc) filter (where event_type = 'returned') as returned_by_event_after_utc,
        min(at_utc) filter (where event_type = 'returned') as returned_by_event_at_utc,
        min(after_utc) filter (where event_type = 'cancelled') as cancelled_by_event_after_utc,
        min(at_utc) filter (where event_type = 'cancelled') as cancelled_by_event_at_utc
    from intermediate.order_webhook_cycle
    where event_type in ('returned', 'cancelled')
    group by order_no, cycle_no

),

-- only an event of the repeated hour leaves two readings: elsewhere both ends are one
in_repeated_hour as (

    select
        order_no,
        cycle_no,
        min(after_utc) filter (where event_type = 'pushed') as pushed_by_event_after_utc,
        min(after_utc) filter (where event_type = 'packed' and is_last_attempt) as packed_by_event_after_utc,
        min(after_utc) filter (where event_type = 'sent' and is_last_attempt) as sent_by_event_after_utc,
        min(after_utc) filter (where event_type = 'delivered' and is_last_attempt) as delivered_by_event_after_utc
    from intermediate.order_webhook_cycle
    -- so written, the few are looked up; as a plain filter all events would be
    where coalesce(order_no in (select order_no from intermediate.order_webhook where after_utc < at_utc), false)
    group by order_no, cycle_no

),

not_sent as (

    select
        order_no,
        cycle_no,
        max(after_utc) as not_sent_after_utc,
        max(at_utc) as not_sent_at_utc
    from intermediate.order_restart
    where is_not_sent
    group by order_no, cycle_no

),

together as (

    select *
    from by_poll
    union all by name
    select *
    from by_event
    union all by name
    select *
    from in_repeated_hour
    union all by name
    select *
    from not_sent

)

select
    order_no,
    cycle_no,
    max(columns(* exclude (order_no, cycle_no)))
from together
group by order_no, cycle_no
