-- Between which moments an order could be worked on, and between which it left, was cancelled, or neither.
-- Grain: one row per order and cycle.
with

milestones as (

    select
        account,
        order_id,
        order_no,
        created_at_utc,
        created_date,
        delivery_id,
        dispatch_date,
        cycle_no,
        begun_after_utc,
        begun_at_utc,
        restored_evidence,
        first_pushed_after_utc,
        first_pushed_at_utc,
        seen_pushed_after_utc,
        seen_pushed_at_utc,
        pushed_after_utc,
        pushed_at_utc,
        pushed_evidence,
        problem_began_after_utc,
        problem_began_at_utc,
        problem_ended_after_utc,
        problem_ended_at_utc,
        not_sent_after_utc,
        not_sent_at_utc,
        packed_after_utc,
        packed_at_utc,
        packed_evidence,
        sent_after_utc,
        sent_at_utc,
        sent_evidence,
        delivered_after_utc,
        delivered_at_utc,
        delivered_evidence,
        returned_after_utc,
        returned_at_utc,
        returned_evidence,
        cancelled_after_utc,
        cancelled_at_utc,
        cancelled_evidence
    from intermediate.order_milestone

),

left_stock as (

    select
        order_no,
        cycle_no,
        extra_pieces,
        later_pieces,
        unknown_reason,
        first_stock_out_at_utc,
        stock_out_after_utc,
        stock_out_at_utc,
        last_stock_out_at_utc,
        is_complete,
        is_in_full,
        is_anything_out
    from intermediate.order_fill
    where not is_replayed
    union all by name
    select
        order_no,
        cycle_no,
        extra_pieces,
        later_pieces,
        unknown_reason,
        first_stock_out_at_utc,
        stock_out_after_utc,
        stock_out_at_utc,
        last_stock_out_at_utc,
        is_complete,
        is_in_full,
        is_anything_out
    from intermediate.order_replay

),

-- what customers brought back, of few orders
came_back as (

    select
        order_no,
        cycle_no,
        min(moved_at_utc) filter (where is_put_back = false) as stock_in_at_utc,
        min(moved_at_utc) filter (where is_put_back is distinct from true and damaged_pieces > 0) as damaged_in_at_utc
    from intermediate.order_return
    group by order_no, cycle_no

),

gaps as (

    select
        order_no,
        table_name
    from intermediate.order_gap

),

stops as (

    select
        order_no,
        cycle_no,
        held_at_utc,
        is_held_from_start,
        hold_set_after_utc,
        first_released_after_utc,
        released_after_utc,
        released_at_utc,
        release_told_utc,
        waiting_after_utc,
        waiting_at_utc,
        stock_ready_after_utc,
        stock_ready_at_utc,
        stock_ready_told_utc,
        sent_back_after_utc,
        sent_back_at_utc,
        corrected_told_utc
    from intermediate.order_stop

),

-- with the day of creation in the rule's calendar: looked up once for all orders of a day
rules as (

    select
        r.account,
        r.delivery_id,
        r.created_date,
        p.rule_no,
        p.policy_version,
        p.calendar_version,
        p.cutoff,
        p.handling_days,
        p.stop_event,
        p.unseen_waits,
        d.opens_at_utc,
        d.closes_at_utc,
        d.open_seconds_before
    from intermediate.sla_rule as r
    inner join intermediate.sla_policy as p
        on r.rule_no = p.rule_no
    left join intermediate.calendar_day as d
        on
            p.calendar_version = d.calendar_version
            and r.created_date = d.date

),

current_run as (

    select
        as_of,
        zone,
        now_utc
    from intermediate.run_now

),

-- goods packed, sent or delivered had left before: leaving bounds them from below
bounded as (

    select
        m.*,
        s.* exclude (order_no, cycle_no),
        b.stock_in_at_utc,
        b.damaged_in_at_utc,
        f.first_stock_out_at_utc,
        f.last_stock_out_at_utc,
        f.later_pieces,
        g.order_no is not null as has_gap,
        coalesce(f.unknown_reason is not null or g.order_no is not null, false) as is_fill_unknown,
        case when g.order_no is not null then 'in quarantine: ' || g.table_name else f.unknown_reason end as unknown_reason,
        case when g.order_no is null then f.extra_pieces end as extra_pieces,
        case when g.order_no is null then f.stock_out_after_utc end as stock_out_after_utc,
        case when g.order_no is null then f.stock_out_at_utc end as stock_out_at_utc,
        case when g.order_no is null then f.is_in_full end as is_in_full,
        coalesce(f.is_complete, false) and g.order_no is null as is_complete,
        coalesce(f.is_anything_out, false) as is_anything_out,
        r.rule_no,
        r.policy_version,
        r.calendar_version,
        r.cutoff,
        r.handling_days,
        r.open_seconds_before
        + coalesce(
            greatest(date_diff('second', r.opens_at_utc, least(m.created_at_utc, r.closes_at_utc)), 0), 0
        ) as open_seconds_created,
        -- without a rule nothing is promised, but what left still did
        coalesce(r.stop_event, 'stock_out') as stop_event,
        coalesce(r.unseen_waits = 'widen', false) as widens,
        n.now_utc,
        case when m.dispatch_date is not null then staging.utc_of(cast(m.dispatch_date as timestamp), n.zone) end
            as requested_at_utc
    from milestones as m
    left join left_stock as f
        on
            m.order_no = f.order_no
            and m.cycle_no = f.cycle_no
    left join rules as r
        on
            m.account = r.account
            and m.delivery_id is not distinct from r.delivery_id
            and m.created_date = r.created_date
    left join stops as s
        on
            m.order_no = s.order_no
            and m.cycle_no = s.cycle_no
    left join came_back as b
        on
            m.order_no = b.order_no
            and m.cycle_no = b.cycle_no
    left join gaps as g
        on m.order_no = g.order_no
    cross join current_run as n

),

handed_over as (

    select
        * replace (
            case
                when stock_out_at_utc <= packed_at_utc then greatest(packed_after_utc, stock_out_after_utc)
                else packed_after_utc
            end as packed_after_utc,
            case
                when stock_out_at_utc <= sent_at_utc then greatest(sent_after_utc, stock_out_after_utc)
                else sent_after_utc
            end as sent_after_utc,
            case
                when stock_out_at_utc <= delivered_at_utc then greatest(delivered_after_utc, stock_out_after_utc)
                else delivered_after_utc
            end as delivered_after_utc
        ),
        -- after a failed attempt the goods may leave without a new movement: then its sending tells
        stop_event = 'stock_out' and stock_out_at_utc is null and is_complete and not_sent_at_utc is not null
            as is_resent
    from bounded

),

stopped as (

    select
        *,
        case stop_event
            when 'stock_out'
                then
                    case
                        when not is_resent then case when stock_out_at_utc is not null then stock_out_after_utc end
                        when sent_evidence = 'webhook' then greatest(sent_after_utc, not_sent_after_utc)
                        else not_sent_after_utc
                    end
            when 'packed' then packed_after_utc
            when 'sent' then sent_after_utc
            when 'delivered' then delivered_after_utc
        end as stop_after_utc,
        case stop_event
            when 'stock_out' then case when is_resent then sent_at_utc else stock_out_at_utc end
            when 'packed' then packed_at_utc
            when 'sent' then sent_at_utc
            when 'delivered' then delivered_at_utc
        end as stop_at_utc
    from handed_over

),

settled as (

    select
        *,
        stop_at_utc is not null and (cancelled_at_utc is null or stop_at_utc <= cancelled_at_utc) as is_dispatched,
        -- it went, but what stops the clock was never seen whole
        stop_at_utc is null
        and coalesce(
            case stop_event
                when 'stock_out'
                    then
                        sent_at_utc is not null
                        or returned_at_utc is not null
                        -- what is out may be all of it
                        or (is_fill_unknown and is_anything_out)
                when 'delivered' then returned_at_utc is not null
            end, false
        ) as is_dispatch_missing,
        held_at_utc is not null
        and release_told_utc is null
        and (released_at_utc is null or released_at_utc < held_at_utc) as is_held,
        waiting_at_utc is not null
        and stock_ready_told_utc is null
        and (stock_ready_at_utc is null or stock_ready_at_utc < waiting_at_utc) as is_waiting,
        sent_back_at_utc is not null
        and corrected_told_utc is null
        and (seen_pushed_at_utc is null or seen_pushed_at_utc < sent_back_at_utc) as is_sent_back
    from stopped

),

-- an open wait of an order that left nevertheless ended unseen, before it left
waits as (

    select
        *,
        is_dispatched or is_dispatch_missing as is_gone,
        case
            when held_at_utc is null then begun_after_utc
            -- whether a hold set later stops the clock is known from events only: both readings are kept
            when hold_set_after_utc is not null and is_held_from_start
                then coalesce(first_released_after_utc, begun_after_utc)
            when hold_set_after_utc is not null then begun_after_utc
            when release_told_utc is not null then release_told_utc
            when is_held then begun_after_utc
            else released_after_utc
        end as hold_ended_after_utc,
        case
            when held_at_utc is null then begun_at_utc
            when release_told_utc is not null then release_told_utc
            when not is_held then released_at_utc
        end as hold_ended_at_utc,
        case
            when waiting_at_utc is null then begun_after_utc
            when stock_ready_told_utc is not null then stock_ready_told_utc
            when is_waiting then waiting_after_utc
            else stock_ready_after_utc
        end as stock_wait_ended_after_utc,
        case
            when waiting_at_utc is null then begun_at_utc
            when stock_ready_told_utc is not null then stock_ready_told_utc
            when not is_waiting then stock_ready_at_utc
        end as stock_wait_ended_at_utc,
        case
            when sent_back_at_utc is null then begun_after_utc
            when corrected_told_utc is not null then corrected_told_utc
            when is_sent_back then sent_back_after_utc
            else seen_pushed_after_utc
        end as correction_ended_after_utc,
        case
            when sent_back_at_utc is null then begun_at_utc
            when corrected_told_utc is not null then corrected_told_utc
            when not is_sent_back then seen_pushed_at_utc
        end as correction_ended_at_utc
    from settled

),

earliest as (

    select
        *,
        not is_gone and (is_waiting or is_sent_back or (is_held and hold_set_after_utc is null)) as is_last_seen_stopped,
        not is_gone and (is_waiting or is_sent_back or is_held) as is_perhaps_stopped,
        is_held or is_waiting or is_sent_back as has_open_wait,
        greatest(
            begun_after_utc,
            hold_ended_after_utc,
            stock_wait_ended_after_utc,
            correction_ended_after_utc,
            requested_at_utc,
            -- who lets every unseen wait count takes an order as eligible when it was handed over
            case when widens then first_pushed_after_utc end
        ) as ready_after_utc,
        greatest(
            begun_at_utc,
            hold_ended_at_utc,
            stock_wait_ended_at_utc,
            correction_ended_at_utc,
            case when widens then first_pushed_at_utc end
        ) as ready_at_utc,
        greatest(release_told_utc, stock_ready_told_utc, corrected_told_utc) as told_ready_utc,
        widens and first_pushed_at_utc is null as is_widened,
        case when is_dispatched then stop_at_utc end as left_at_utc
    from waits

)

select
    account,
    order_id,
    order_no,
    cycle_no,
    delivery_id,
    created_date,
    created_at_utc as order_created_at_utc,
    open_seconds_created,
    now_utc,
    rule_no,
    policy_version,
    calendar_version,
    cutoff,
    handling_days,
    case when rule_no is not null then stop_event end as stop_event,
    is_dispatched,
    is_dispatch_missing,
    case when is_dispatched then stop_after_utc when is_dispatch_missing then last_stock_out_at_utc end
        as dispatch_after_utc,
    case when is_dispatched then stop_at_utc end as dispatch_at_utc,
    case
        when not is_dispatched then null
        when stop_event = 'packed' then packed_evidence
        when stop_event = 'delivered' then delivered_evidence
        when stop_event = 'sent' or is_resent then sent_evidence
        else 'movement'
    end as dispatch_evidence,
    case
        when not is_last_seen_stopped then ready_after_utc
        -- cancelled after a poll that still saw the wait: it may have ended unseen in between
        when cancelled_at_utc is not null then greatest(ready_after_utc, cancelled_after_utc)
    end as eligible_after_utc,
    case
        when is_perhaps_stopped then null
        when is_widened then greatest(ready_after_utc, coalesce(left_at_utc, cancelled_at_utc, now_utc))
        when has_open_wait then greatest(ready_after_utc, coalesce(left_at_utc, now_utc))
        else greatest(ready_after_utc, least(ready_at_utc, left_at_utc))
    end as eligible_at_utc,
    case
        when is_perhaps_stopped then null
        when is_widened then 'poll'
        when widens or ready_at_utc = told_ready_utc then 'webhook'
        when held_at_utc is not null or waiting_at_utc is not null or sent_back_at_utc is not null then 'poll'
        when cycle_no > 1 then restored_evidence
        else 'assumed'
    end as eligible_evidence,
    case
        when is_gone or cancelled_at_utc is not null then null
        when is_held then 'hold'
        when is_waiting then 'stock'
        when is_sent_back then 'correction'
        when requested_at_utc > now_utc then 'requested_date'
    end as not_eligible_reason,
    hold_ended_after_utc as released_after_utc,
    hold_ended_at_utc as released_at_utc,
    case
        when hold_ended_at_utc is null then null
        when held_at_utc is null then 'assumed'
        when release_told_utc is not null then 'webhook'
        else 'poll'
    end as released_evidence,
    case when waiting_at_utc is not null and not is_waiting then stock_wait_ended_after_utc end as stock_ready_after_utc,
    case when waiting_at_utc is not null and not is_waiting then stock_wait_ended_at_utc end as stock_ready_at_utc,
    case
        when waiting_at_utc is null or is_waiting then null
        when stock_ready_told_utc is not null then 'webhook'
        else 'poll'
    end as stock_ready_evidence,
    pushed_after_utc,
    pushed_at_utc,
    pushed_evidence,
    first_stock_out_at_utc,
    stock_out_after_utc,
    stock_out_at_utc,
    packed_after_utc,
    packed_at_utc,
    packed_evidence,
    sent_after_utc,
    sent_at_utc,
    sent_evidence,
    delivered_after_utc,
    delivered_at_utc,
    delivered_evidence,
    case when stock_in_at_utc is null then returned_after_utc end as returned_after_utc,
    coalesce(stock_in_at_utc, returned_at_utc) as returned_at_utc,
    case when stock_in_at_utc is not null then 'movement' else returned_evidence end as returned_evidence,
    cancelled_after_utc,
    cancelled_at_utc,
    cancelled_evidence,
    case when cycle_no > 1 then begun_after_utc end as restored_after_utc,
    case when cycle_no > 1 then begun_at_utc end as restored_at_utc,
    restored_evidence,
    not_sent_after_utc,
    not_sent_at_utc,
    problem_began_after_utc,
    problem_began_at_utc,
    problem_ended_after_utc,
    problem_ended_at_utc,
    damaged_in_at_utc,
    extra_pieces,
    later_pieces,
    has_gap,
    case
        when unknown_reason is not null then unknown_reason
        when is_dispatch_missing and stop_event = 'stock_out' then 'not all pieces are in the ledger'
    end as unknown_reason,
    is_in_full
from earliest
