-- The milestones of an order, each as the interval its evidence leaves.
-- Grain: one row per order and cycle.
with

events as (

    select
        order_no,
        cycle_no,
        attempt_no,
        event_type,
        coalesce(occurred_after_utc, occurred_at_utc) as after_utc,
        occurred_at_utc as at_utc,
        pieces,
        damaged_pieces
    from intermediate.order_event

),

last_attempts as (

    select
        order_no,
        cycle_no,
        max(attempt_no) as attempt_no
    from intermediate.order_break
    group by order_no, cycle_no

),

-- leaving counts in the latest attempt only
current_events as (

    select
        e.*,
        e.attempt_no >= coalesce(a.attempt_no, 1) as is_last_attempt
    from events as e
    left join last_attempts as a
        on
            e.order_no = a.order_no
            and e.cycle_no = a.cycle_no

)

select
    order_no,
    cycle_no,
    min(at_utc) filter (where event_type = 'created') as created_at_utc,
    min(after_utc) filter (where event_type = 'restored') as restored_after_utc,
    min(at_utc) filter (where event_type = 'restored') as restored_at_utc,
    min(at_utc) filter (where event_type = 'created_on_hold') as created_on_hold_at_utc,
    min(after_utc) filter (where event_type = 'hold_set') as hold_set_after_utc,
    max(at_utc) filter (where event_type in ('created_on_hold', 'hold_set')) as last_held_at_utc,
    min(after_utc) filter (where event_type = 'released') as first_released_after_utc,
    max(after_utc) filter (where event_type = 'released') as released_after_utc,
    max(at_utc) filter (where event_type = 'released') as released_at_utc,
    max(after_utc) filter (where event_type = 'waiting_for_storage') as waiting_after_utc,
    max(at_utc) filter (where event_type = 'waiting_for_storage') as waiting_at_utc,
    max(after_utc) filter (where event_type = 'stock_ready') as stock_ready_after_utc,
    max(at_utc) filter (where event_type = 'stock_ready') as stock_ready_at_utc,
    max(after_utc) filter (where event_type = 'sent_back') as sent_back_after_utc,
    max(at_utc) filter (where event_type = 'sent_back') as sent_back_at_utc,
    max(after_utc) filter (where event_type = 'pushed') as pushed_after_utc,
    max(at_utc) filter (where event_type = 'pushed') as pushed_at_utc,
    min(after_utc) filter (where event_type = 'problem_began') as problem_began_after_utc,
    min(at_utc) filter (where event_type = 'problem_began') as problem_began_at_utc,
    max(after_utc) filter (where event_type = 'problem_ended') as problem_ended_after_utc,
    max(at_utc) filter (where event_type = 'problem_ended') as problem_ended_at_utc,
    max(after_utc) filter (where event_type = 'not_sent') as not_sent_after_utc,
    max(at_utc) filter (where event_type = 'not_sent') as not_sent_at_utc,
    min(at_utc) filter (where event_type = 'stock_out') as first_stock_out_at_utc,
    max(at_utc) filter (where event_type = 'stock_out' and is_last_attempt) as last_stock_out_at_utc,
    min(after_utc) filter (where event_type = 'packed' and is_last_attempt) as packed_after_utc,
    min(at_utc) filter (where event_type = 'packed' and is_last_attempt) as packed_at_utc,
    min(after_utc) filter (where event_type = 'sent' and is_last_attempt) as sent_after_utc,
    min(at_utc) filter (where event_type = 'sent' and is_last_attempt) as sent_at_utc,
    min(after_utc) filter (where event_type = 'delivered' and is_last_attempt) as delivered_after_utc,
    min(at_utc) filter (where event_type = 'delivered' and is_last_attempt) as delivered_at_utc,
    min(at_utc) filter (where event_type = 'stock_in') as stock_in_at_utc,
    min(at_utc) filter (where event_type = 'stock_in' and damaged_pieces > 0) as damaged_in_at_utc,
    min(after_utc) filter (where event_type = 'returned') as returned_after_utc,
    min(at_utc) filter (where event_type = 'returned') as returned_at_utc,
    min(after_utc) filter (where event_type = 'cancelled') as cancelled_after_utc,
    min(at_utc) filter (where event_type = 'cancelled') as cancelled_at_utc
from current_events
group by order_no, cycle_no
