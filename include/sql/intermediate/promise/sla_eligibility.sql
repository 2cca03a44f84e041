-- Between which moments an order could be worked on: created or restored, released, in stock, corrected, asked for.
-- Grain: one row per order and cycle.
with

releases as (

    select
        order_no,
        cycle_no,
        left_after_utc,
        left_until_utc,
        has_stop,
        has_hold,
        is_held,
        is_surely_held,
        is_waiting,
        is_sent_back,
        hold_ended_after_utc,
        hold_ended_at_utc,
        hold_ended_evidence,
        stock_wait_ended_after_utc,
        stock_wait_ended_at_utc,
        stock_wait_ended_evidence,
        correction_ended_after_utc,
        correction_ended_at_utc,
        ended_by_event_utc
    from intermediate.order_latest_release

),

edited_requests as (

    select
        order_no,
        left_after_utc,
        left_until_utc,
        first_date,
        last_date
    from intermediate.order_requested_day

),

-- a comparison of one side with the other: what else is asked of a pair of rows is asked of every pair
dispatches as (

    select
        *,
        coalesce(dispatch_at_utc, timestamp 'infinity') as left_utc
    from intermediate.sla_dispatch

),

-- what was asked for when it left counts, not what somebody wrote into the order later
requests as (

    select
        d.*,
        case when e.order_no is null then d.dispatch_date else e.first_date end as first_requested_date,
        case when e.order_no is null then d.dispatch_date else e.last_date end as requested_date
    from dispatches as d
    left join edited_requests as e
        on
            d.order_no = e.order_no
            and d.left_utc > coalesce(e.left_after_utc, timestamp '-infinity')
            and d.left_utc <= coalesce(e.left_until_utc, timestamp 'infinity')

),

-- an open wait of an order that left nevertheless ended unseen, before it left
released as (

    select
        d.*,
        n.now_utc,
        r.* exclude (
            order_no, cycle_no, left_after_utc, left_until_utc, has_stop, has_hold, hold_ended_after_utc,
            hold_ended_at_utc
        ),
        coalesce(r.has_stop, false) as has_stop,
        coalesce(r.is_held or r.is_waiting or r.is_sent_back, false) as has_open_wait,
        coalesce(r.is_surely_held or r.is_waiting or r.is_sent_back, false) as has_sure_wait,
        d.is_dispatched or d.is_dispatch_missing as is_gone,
        coalesce(r.hold_ended_after_utc, d.begun_after_utc) as released_after_utc,
        case when r.has_hold then r.hold_ended_at_utc else d.begun_at_utc end as released_at_utc,
        case when d.first_requested_date is not null then staging.utc_of(cast(d.first_requested_date as timestamp), n.zone) end
            as requested_after_utc,
        case when d.requested_date is not null then staging.utc_of(cast(d.requested_date as timestamp), n.zone) end
            as requested_at_utc
    from requests as d
    left join releases as r
        on
            d.order_no = r.order_no
            and d.cycle_no = r.cycle_no
            -- what stopped it after it had left is about something else
            and d.left_utc > r.left_after_utc
            and d.left_utc <= coalesce(r.left_until_utc, timestamp 'infinity')
    cross join intermediate.run_now as n

),

ready as (

    select
        *,
        greatest(
            begun_after_utc,
            released_after_utc,
            stock_wait_ended_after_utc,
            correction_ended_after_utc,
            requested_after_utc,
            -- who lets every unseen wait count takes an order as eligible when it was handed over
            case when widens then first_pushed_after_utc end
        ) as ready_after_utc,
        greatest(
            begun_at_utc,
            released_at_utc,
            stock_wait_ended_at_utc,
            correction_ended_at_utc,
            case when requested_at_utc is distinct from requested_after_utc then requested_at_utc end,
            case when widens then first_pushed_at_utc end
        ) as ready_at_utc
    from released

)

select
    * exclude (
        begun_after_utc, begun_at_utc, dispatch_date, first_pushed_after_utc, first_pushed_at_utc, widens, has_stop,
        is_held, is_surely_held, is_waiting, is_sent_back, hold_ended_evidence, stock_wait_ended_after_utc,
        stock_wait_ended_at_utc, stock_wait_ended_evidence, correction_ended_after_utc, correction_ended_at_utc,
        ended_by_event_utc, has_open_wait, has_sure_wait, is_gone, first_requested_date, requested_date,
        left_utc, requested_after_utc, requested_at_utc, ready_after_utc, ready_at_utc
    ),
    case when released_at_utc is not null then coalesce(hold_ended_evidence, 'assumed') end as released_evidence,
    case when not is_waiting then stock_wait_ended_after_utc end as stock_ready_after_utc,
    case when not is_waiting then stock_wait_ended_at_utc end as stock_ready_at_utc,
    stock_wait_ended_evidence as stock_ready_evidence,
    case when cycle_no > 1 then begun_after_utc end as restored_after_utc,
    case when cycle_no > 1 then begun_at_utc end as restored_at_utc,
    case
        when is_gone or not has_sure_wait then ready_after_utc
        -- cancelled after a poll that still saw the wait: it may have ended unseen in between
        when cancelled_at_utc is not null then greatest(ready_after_utc, cancelled_after_utc)
    end as eligible_after_utc,
    case
        when has_open_wait and not is_gone then null
        when widens and first_pushed_at_utc is null
            then greatest(ready_after_utc, coalesce(dispatch_at_utc, cancelled_at_utc, now_utc))
        when has_open_wait then greatest(ready_after_utc, coalesce(dispatch_at_utc, now_utc))
        else greatest(ready_after_utc, least(ready_at_utc, dispatch_at_utc))
    end as eligible_at_utc,
    case
        when has_open_wait and not is_gone then null
        when widens and first_pushed_at_utc is null then 'poll'
        when widens or ready_at_utc = ended_by_event_utc then 'webhook'
        when has_stop or requested_after_utc is distinct from requested_at_utc then 'poll'
        when cycle_no > 1 then restored_evidence
        else 'assumed'
    end as eligible_evidence,
    case
        when is_gone or cancelled_at_utc is not null then null
        when is_held then 'hold'
        when is_waiting then 'stock'
        when is_sent_back then 'correction'
        when requested_at_utc > now_utc then 'requested_date'
    end as not_eligible_reason
from ready
