-- The latest time of each kind that an order was stopped, by polls or events, and the event that ended it.
-- Grain: one row per order and cycle in which anything stopped it; few orders have any.
with

polled as (

    select
        order_no,
        cycle_no,
        after_utc,
        at_utc,
        is_created_on_hold,
        is_hold_set,
        is_released,
        is_waiting,
        is_stock_ready,
        is_sent_back,
        is_pushed
    from intermediate.order_poll_cycle
    where
        is_created_on_hold
        or is_hold_set
        or is_released
        or is_waiting
        or is_stock_ready
        or is_sent_back

),

told as (

    select
        order_no,
        cycle_no,
        cast(event_type as varchar) as event_type,
        after_utc,
        at_utc
    from intermediate.order_webhook_cycle
    where event_type in ('created_on_hold', 'hold_set', 'waiting_for_storage', 'sent_back')

),

-- many, of which few are asked for: not copied
endings as not materialized (

    select
        order_no,
        cycle_no,
        cast(event_type as varchar) as event_type,
        after_utc,
        at_utc
    from intermediate.order_webhook_cycle
    where event_type in ('pushed', 'released')

),

restores as (

    select
        order_no,
        cycle_no,
        after_utc,
        at_utc
    from intermediate.order_break
    where is_restored

),

-- a hold that no event ended before a restore holds the new cycle too
carried as (

    select
        r.order_no,
        r.cycle_no,
        'created_on_hold' as event_type,
        r.after_utc,
        r.at_utc
    from (
        select
            order_no,
            event_type,
            at_utc
        from told
        union all
        select
            order_no,
            event_type,
            at_utc
        from endings
    ) as e
    inner join restores as r
        on
            e.order_no = r.order_no
            and e.at_utc < r.at_utc
    where e.event_type in ('created_on_hold', 'hold_set', 'pushed', 'released')
    group by r.order_no, r.cycle_no, r.after_utc, r.at_utc
    having arg_max(e.event_type, e.at_utc) in ('created_on_hold', 'hold_set')

),

all_told as (

    select *
    from told
    union all
    select *
    from carried

),

seen as (

    select
        order_no,
        cycle_no,
        max(at_utc) filter (where is_created_on_hold or is_hold_set) as held_at_utc,
        min(at_utc) filter (where is_created_on_hold) as created_on_hold_at_utc,
        min(after_utc) filter (where is_hold_set) as hold_set_after_utc,
        min(at_utc) filter (where is_hold_set) as hold_set_at_utc,
        min(after_utc) filter (where is_released) as first_released_after_utc,
        max(after_utc) filter (where is_released) as released_after_utc,
        max(at_utc) filter (where is_released) as released_at_utc,
        max(after_utc) filter (where is_waiting) as waiting_after_utc,
        max(at_utc) filter (where is_waiting) as waiting_at_utc,
        max(after_utc) filter (where is_stock_ready) as stock_ready_after_utc,
        max(at_utc) filter (where is_stock_ready) as stock_ready_at_utc,
        max(after_utc) filter (where is_sent_back) as sent_back_after_utc,
        max(at_utc) filter (where is_sent_back) as sent_back_at_utc
    from polled
    group by order_no, cycle_no

),

heard as (

    select
        order_no,
        cycle_no,
        max(at_utc) filter (where event_type in ('created_on_hold', 'hold_set')) as held_at_utc,
        min(at_utc) filter (where event_type = 'hold_set') as hold_set_at_utc,
        max(after_utc) filter (where event_type = 'waiting_for_storage') as waiting_after_utc,
        max(at_utc) filter (where event_type = 'waiting_for_storage') as waiting_at_utc,
        max(after_utc) filter (where event_type = 'sent_back') as sent_back_after_utc,
        max(at_utc) filter (where event_type = 'sent_back') as sent_back_at_utc
    from all_told
    group by order_no, cycle_no

),

stops as (

    select
        coalesce(s.order_no, h.order_no) as order_no,
        coalesce(s.cycle_no, h.cycle_no) as cycle_no,
        greatest(s.held_at_utc, h.held_at_utc) as held_at_utc,
        s.created_on_hold_at_utc is not null or h.held_at_utc is not null as is_held_from_start,
        -- a hold an event told of stops the clock; one that only polls saw set may or may not
        case when h.hold_set_at_utc is null then s.hold_set_after_utc end as hold_set_after_utc,
        s.first_released_after_utc,
        s.released_after_utc,
        s.released_at_utc,
        greatest(s.waiting_after_utc, h.waiting_after_utc) as waiting_after_utc,
        greatest(s.waiting_at_utc, h.waiting_at_utc) as waiting_at_utc,
        s.stock_ready_after_utc,
        s.stock_ready_at_utc,
        greatest(s.sent_back_after_utc, h.sent_back_after_utc) as sent_back_after_utc,
        greatest(s.sent_back_at_utc, h.sent_back_at_utc) as sent_back_at_utc
    from seen as s
    full outer join heard as h
        on
            s.order_no = h.order_no
            and s.cycle_no = h.cycle_no

),

-- handed to the warehouse, an order is neither held nor waiting nor being corrected: the earliest such event counts
ended as (

    select
        s.order_no,
        s.cycle_no,
        min(e.at_utc) filter (where e.event_type = 'pushed' and e.after_utc > s.held_at_utc) as pushed_after_hold_utc,
        min(e.at_utc) filter (where e.event_type = 'released' and e.after_utc > s.held_at_utc) as released_told_utc,
        min(e.at_utc) filter (where e.event_type = 'pushed' and e.after_utc > s.waiting_at_utc)
            as pushed_after_wait_utc,
        min(e.at_utc) filter (where e.event_type = 'pushed' and e.after_utc > s.sent_back_at_utc)
            as pushed_after_correction_utc
    from endings as e
    inner join stops as s
        on
            e.order_no = s.order_no
            and e.cycle_no = s.cycle_no
    group by s.order_no, s.cycle_no

)

select
    s.order_no,
    s.cycle_no,
    s.held_at_utc,
    s.is_held_from_start,
    s.hold_set_after_utc,
    s.first_released_after_utc,
    s.released_after_utc,
    s.released_at_utc,
    coalesce(e.pushed_after_hold_utc, e.released_told_utc) as release_told_utc,
    s.waiting_after_utc,
    s.waiting_at_utc,
    s.stock_ready_after_utc,
    s.stock_ready_at_utc,
    e.pushed_after_wait_utc as stock_ready_told_utc,
    s.sent_back_after_utc,
    s.sent_back_at_utc,
    e.pushed_after_correction_utc as corrected_told_utc
from stops as s
left join ended as e
    on
        s.order_no = e.order_no
        and s.cycle_no = e.cycle_no
