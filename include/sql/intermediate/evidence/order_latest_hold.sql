-- The latest time of each kind that an order was stopped, by polls or events: held, without stock, sent back.
-- Grain: one row per order, cycle and stretch in which it may have left, of what stopped it until then; few orders have any.
with

stops as (

    select
        order_no,
        cycle_no,
        left_after_utc,
        left_until_utc,
        event_type,
        after_utc,
        at_utc,
        evidence,
        is_sure
    from intermediate.order_stop

),

by_poll as (

    select
        order_no,
        cycle_no,
        left_after_utc,
        left_until_utc,
        max(at_utc) filter (where event_type in ('created_on_hold', 'hold_set')) as held_at_utc,
        min(at_utc) filter (where event_type = 'created_on_hold') as created_on_hold_at_utc,
        min(after_utc) filter (where event_type = 'hold_set') as hold_set_after_utc,
        min(after_utc) filter (where event_type = 'released') as first_released_after_utc,
        max(after_utc) filter (where event_type = 'released') as released_after_utc,
        max(at_utc) filter (where event_type = 'released') as released_at_utc,
        max(after_utc) filter (where event_type = 'waiting_for_storage') as waiting_after_utc,
        max(at_utc) filter (where event_type = 'waiting_for_storage') as waiting_at_utc,
        max(after_utc) filter (where event_type = 'stock_ready') as stock_ready_after_utc,
        max(at_utc) filter (where event_type = 'stock_ready') as stock_ready_at_utc,
        max(after_utc) filter (where event_type = 'sent_back') as sent_back_after_utc,
        max(at_utc) filter (where event_type = 'sent_back') as sent_back_at_utc,
        bool_and(is_sure) filter (where event_type = 'waiting_for_storage') as is_wait_sure,
        bool_and(is_sure) filter (where event_type = 'sent_back') as is_correction_sure
    from stops
    where evidence = 'poll'
    group by order_no, cycle_no, left_after_utc, left_until_utc

),

by_event as (

    select
        order_no,
        cycle_no,
        left_after_utc,
        left_until_utc,
        max(at_utc) filter (where event_type in ('created_on_hold', 'hold_set')) as held_at_utc,
        min(at_utc) filter (where event_type = 'hold_set') as hold_set_at_utc,
        max(after_utc) filter (where event_type = 'waiting_for_storage') as waiting_after_utc,
        max(at_utc) filter (where event_type = 'waiting_for_storage') as waiting_at_utc,
        max(after_utc) filter (where event_type = 'sent_back') as sent_back_after_utc,
        max(at_utc) filter (where event_type = 'sent_back') as sent_back_at_utc,
        bool_and(is_sure) filter (where event_type = 'waiting_for_storage') as is_wait_sure,
        bool_and(is_sure) filter (where event_type = 'sent_back') as is_correction_sure
    from stops
    where
        evidence = 'webhook'
        and event_type <> 'released'
    group by order_no, cycle_no, left_after_utc, left_until_utc

)

select
    coalesce(p.order_no, e.order_no) as order_no,
    coalesce(p.cycle_no, e.cycle_no) as cycle_no,
    coalesce(p.left_after_utc, e.left_after_utc) as left_after_utc,
    coalesce(p.left_until_utc, e.left_until_utc) as left_until_utc,
    greatest(p.held_at_utc, e.held_at_utc) as held_at_utc,
    p.created_on_hold_at_utc is not null or e.held_at_utc is not null as is_held_from_start,
    -- a hold an event told of stops the clock; one that only polls saw set may or may not
    case when e.hold_set_at_utc is null then p.hold_set_after_utc end as hold_set_after_utc,
    p.first_released_after_utc,
    p.released_after_utc,
    p.released_at_utc,
    greatest(p.waiting_after_utc, e.waiting_after_utc) as waiting_after_utc,
    greatest(p.waiting_at_utc, e.waiting_at_utc) as waiting_at_utc,
    p.stock_ready_after_utc,
    p.stock_ready_at_utc,
    greatest(p.sent_back_after_utc, e.sent_back_after_utc) as sent_back_after_utc,
    greatest(p.sent_back_at_utc, e.sent_back_at_utc) as sent_back_at_utc,
    coalesce(p.is_wait_sure, true) and coalesce(e.is_wait_sure, true) as is_wait_sure,
    coalesce(p.is_correction_sure, true) and coalesce(e.is_correction_sure, true) as is_correction_sure
from by_poll as p
full outer join by_event as e
    on
        p.order_no = e.order_no
        and p.cycle_no = e.cycle_no
        and p.left_after_utc = e.left_after_utc
