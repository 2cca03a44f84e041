-- Between which moments each latest stop of an order ended; nothing where it lasts.
-- Grain: one row per row of order_latest_hold; few orders have any.
with

holds as (

    select
        order_no,
        cycle_no,
        left_after_utc,
        left_until_utc,
        held_at_utc,
        is_held_from_start,
        hold_set_after_utc,
        first_released_after_utc,
        released_after_utc,
        released_at_utc,
        waiting_after_utc,
        waiting_at_utc,
        stock_ready_after_utc,
        stock_ready_at_utc,
        sent_back_after_utc,
        sent_back_at_utc,
        is_wait_sure,
        is_correction_sure
    from intermediate.order_latest_hold

),

-- handed to the warehouse, an order is neither held nor waiting nor being corrected: the earliest such event counts
by_event as (

    select
        h.order_no,
        h.cycle_no,
        h.left_after_utc,
        min(e.at_utc) filter (where e.event_type = 'pushed' and e.after_utc > h.held_at_utc) as pushed_after_hold_utc,
        min(e.at_utc) filter (where e.event_type = 'released' and e.after_utc > h.held_at_utc) as released_at_utc,
        min(e.at_utc) filter (where e.event_type = 'pushed' and e.after_utc > h.waiting_at_utc)
            as pushed_after_wait_utc,
        min(e.at_utc) filter (where e.event_type = 'pushed' and e.after_utc > h.sent_back_at_utc)
            as pushed_after_correction_utc
    from intermediate.order_webhook_cycle as e
    inner join holds as h
        on
            e.order_no = h.order_no
            and e.cycle_no = h.cycle_no
    where e.event_type in ('pushed', 'released')
    group by h.order_no, h.cycle_no, h.left_after_utc

),

pushes_by_poll as (

    select
        h.order_no,
        h.cycle_no,
        h.left_after_utc,
        max(p.after_utc) as pushed_by_poll_after_utc,
        max(p.at_utc) as pushed_by_poll_at_utc
    from intermediate.order_poll_cycle as p
    inner join holds as h
        on
            p.order_no = h.order_no
            and p.cycle_no = h.cycle_no
    where
        p.is_pushed
        and h.sent_back_at_utc is not null
    group by h.order_no, h.cycle_no, h.left_after_utc

),

ended as (

    select
        h.*,
        p.pushed_by_poll_after_utc,
        p.pushed_by_poll_at_utc,
        coalesce(e.pushed_after_hold_utc, e.released_at_utc) as released_by_event_utc,
        e.pushed_after_wait_utc as stock_ready_by_event_utc,
        e.pushed_after_correction_utc as corrected_by_event_utc,
        h.held_at_utc is not null
        and released_by_event_utc is null
        and (h.released_at_utc is null or h.released_at_utc < h.held_at_utc) as is_held,
        h.waiting_at_utc is not null
        and stock_ready_by_event_utc is null
        and (h.stock_ready_at_utc is null or h.stock_ready_at_utc < h.waiting_at_utc) as is_waiting,
        h.sent_back_at_utc is not null
        and corrected_by_event_utc is null
        and (p.pushed_by_poll_at_utc is null or p.pushed_by_poll_at_utc < h.sent_back_at_utc) as is_sent_back
    from holds as h
    left join by_event as e
        on
            h.order_no = e.order_no
            and h.cycle_no = e.cycle_no
            and h.left_after_utc = e.left_after_utc
    left join pushes_by_poll as p
        on
            h.order_no = p.order_no
            and h.cycle_no = p.cycle_no
            and h.left_after_utc = p.left_after_utc

)

select
    order_no,
    cycle_no,
    left_after_utc,
    left_until_utc,
    coalesce(held_at_utc, waiting_at_utc, sent_back_at_utc) is not null as has_stop,
    held_at_utc is not null as has_hold,
    is_held,
    is_held and hold_set_after_utc is null as is_surely_held,
    is_waiting,
    is_sent_back,
    case
        when held_at_utc is null then null
        -- whether a hold set later stops the clock is known from events only: both readings are kept
        when hold_set_after_utc is not null then case when is_held_from_start then first_released_after_utc end
        when released_by_event_utc is not null then released_by_event_utc
        when not is_held then released_after_utc
    end as hold_ended_after_utc,
    case
        when held_at_utc is null then null
        when released_by_event_utc is not null then released_by_event_utc
        when not is_held then released_at_utc
    end as hold_ended_at_utc,
    case when released_by_event_utc is not null then 'webhook' when held_at_utc is not null then 'poll' end
        as hold_ended_evidence,
    case
        when waiting_at_utc is null or not is_wait_sure then null
        when stock_ready_by_event_utc is not null then stock_ready_by_event_utc
        when is_waiting then waiting_after_utc
        else stock_ready_after_utc
    end as stock_wait_ended_after_utc,
    case
        when waiting_at_utc is null then null
        when stock_ready_by_event_utc is not null then stock_ready_by_event_utc
        when not is_waiting then stock_ready_at_utc
    end as stock_wait_ended_at_utc,
    case
        when stock_ready_by_event_utc is not null then 'webhook'
        when waiting_at_utc is not null and not is_waiting then 'poll'
    end as stock_wait_ended_evidence,
    case
        when sent_back_at_utc is null or not is_correction_sure then null
        when corrected_by_event_utc is not null then corrected_by_event_utc
        when is_sent_back then sent_back_after_utc
        else pushed_by_poll_after_utc
    end as correction_ended_after_utc,
    case
        when sent_back_at_utc is null then null
        when corrected_by_event_utc is not null then corrected_by_event_utc
        when not is_sent_back then pushed_by_poll_at_utc
    end as correction_ended_at_utc,
    greatest(released_by_event_utc, stock_ready_by_event_utc, corrected_by_event_utc) as ended_by_event_utc
from ended
