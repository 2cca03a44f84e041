-- Did an order leave on time: milestones, promise and state, each cycle of an order by itself.
-- Grain: one row per account, order and cycle.
with

promises as (

    select
        account,
        order_id,
        order_no,
        cycle_no,
        delivery_id,
        order_created_at_utc,
        now_utc,
        rule_no,
        policy_version,
        calendar_version,
        stop_event,
        is_dispatched,
        is_dispatch_missing,
        dispatch_after_utc,
        dispatch_at_utc,
        dispatch_evidence,
        eligible_after_utc,
        eligible_at_utc,
        eligible_evidence,
        not_eligible_reason,
        released_after_utc,
        released_at_utc,
        released_evidence,
        stock_ready_after_utc,
        stock_ready_at_utc,
        stock_ready_evidence,
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
        returned_after_utc,
        returned_at_utc,
        returned_evidence,
        cancelled_after_utc,
        cancelled_at_utc,
        cancelled_evidence,
        restored_after_utc,
        restored_at_utc,
        restored_evidence,
        not_sent_at_utc,
        problem_began_after_utc,
        problem_began_at_utc,
        problem_ended_after_utc,
        problem_ended_at_utc,
        damaged_in_at_utc,
        extra_pieces,
        later_pieces,
        has_gap,
        unknown_reason,
        is_in_full,
        due_working_day_no,
        due_after_utc,
        due_after_date,
        due_at_utc,
        due_date,
        open_seconds_created,
        open_seconds_eligible,
        open_seconds_due
    from intermediate.sla_promise

),

zone_days as (

    select
        date,
        utc_offset,
        utc_change_at,
        utc_offset_after
    from intermediate.calendar_zone_day

),

calendar_days as (

    select
        calendar_version,
        date,
        opens_at_utc,
        closes_at_utc,
        open_seconds_before
    from intermediate.calendar_day

),

due_days as (

    select
        rule_no,
        working_day_no,
        due_at_utc
    from intermediate.sla_due_day

),

latest_cycles as (

    select
        order_no,
        max(cycle_no) as cycle_no
    from intermediate.order_break
    group by order_no

),

-- working days whose promises have run out by now
past_days as (

    select
        d.rule_no,
        max(d.working_day_no) as working_day_no
    from due_days as d
    cross join intermediate.run_now as r
    where d.due_at_utc < r.now_utc
    group by d.rule_no

),

promised as (

    select
        p.*,
        coalesce(p.cycle_no = c.cycle_no, true) as is_latest_cycle,
        p.dispatch_after_utc is not distinct from p.dispatch_at_utc as is_dispatch_exact,
        p.eligible_after_utc is not distinct from p.eligible_at_utc as is_eligible_exact,
        -- before it was made, or before the day it was asked for
        coalesce(p.is_dispatched and p.dispatch_at_utc < p.eligible_after_utc, false) as is_left_early,
        coalesce(p.dispatch_at_utc, case when not p.is_dispatch_missing then coalesce(p.cancelled_at_utc, p.now_utc) end)
            as ended_at_utc
    from promises as p
    left join latest_cycles as c
        on p.order_no = c.order_no

),

-- a state is claimed only when both ends of every interval agree
judged as (

    select
        *,
        case
            when rule_no is null then 'unknown'
            -- never complete without the line that was set aside
            when has_gap and (cancelled_at_utc is null or is_dispatched or is_dispatch_missing) then 'unknown'
            when is_dispatched
                then
                    case
                        when dispatch_at_utc <= due_after_utc then 'on_time'
                        when is_dispatch_exact and dispatch_at_utc > due_at_utc then 'late'
                        when not is_dispatch_exact and dispatch_after_utc >= due_at_utc then 'late'
                        else 'unknown'
                    end
            when is_dispatch_missing
                then
                    case
                        when dispatch_after_utc > due_at_utc
                            and coalesce(sent_at_utc, delivered_at_utc, returned_at_utc) is not null
                            then 'late'
                        else 'unknown'
                    end
            when cancelled_at_utc is not null
                then
                    case
                        when cancelled_at_utc <= due_after_utc then 'excluded'
                        when cancelled_after_utc >= due_at_utc then 'late'
                        else 'unknown'
                    end
            when eligible_after_utc is null or eligible_after_utc > now_utc then 'pending'
            when now_utc <= due_after_utc then 'pending'
            when now_utc > due_at_utc then 'overdue'
            else 'unknown'
        end as sla_state
    from promised

),

flagged as (

    select
        *,
        case
            when sla_state = 'on_time' then true
            when sla_state <> 'unknown' or not (is_dispatched or is_dispatch_missing) then false
            when is_dispatched and is_dispatch_exact then coalesce(dispatch_at_utc <= due_at_utc, true)
            else coalesce(dispatch_after_utc < due_at_utc, true)
        end as could_be_on_time,
        case
            when sla_state in ('late', 'overdue') then true
            when sla_state <> 'unknown' then false
            else coalesce(dispatch_at_utc > due_after_utc, true)
        end as could_be_late
    from judged

),

-- open seconds of the calendar before each moment: their differences are business time
measured as (

    select
        f.*,
        ended_day.open_seconds_before
        + coalesce(
            greatest(
                date_diff('second', ended_day.opens_at_utc, least(f.ended_at_utc, ended_day.closes_at_utc)), 0
            ), 0
        ) as open_seconds_ended,
        past_days.working_day_no as past_working_day_no
    from flagged as f
    left join zone_days as ended_zone
        on cast(f.ended_at_utc as date) = ended_zone.date
    left join calendar_days as ended_day
        on
            f.calendar_version = ended_day.calendar_version
            and cast(
                f.ended_at_utc + to_seconds(
                    case
                        when f.ended_at_utc >= ended_zone.utc_change_at then ended_zone.utc_offset_after
                        else ended_zone.utc_offset
                    end
                ) as date
            ) = ended_day.date
    left join past_days
        on f.rule_no = past_days.rule_no

)

select
    m.account,
    m.order_id,
    cycle_no,
    is_latest_cycle,
    m.delivery_id,
    m.rule_no,
    policy_version,
    calendar_version,
    stop_event,
    order_created_at_utc as created_at_utc,
    released_after_utc,
    released_at_utc,
    released_evidence,
    stock_ready_after_utc,
    stock_ready_at_utc,
    stock_ready_evidence,
    pushed_after_utc,
    pushed_at_utc,
    pushed_evidence,
    first_stock_out_at_utc,
    stock_out_after_utc,
    stock_out_at_utc,
    case when stock_out_at_utc is not null then 'movement' end as stock_out_evidence,
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
    cancelled_evidence,
    restored_after_utc,
    restored_at_utc,
    restored_evidence,
    problem_began_after_utc,
    problem_began_at_utc,
    problem_ended_after_utc,
    problem_ended_at_utc,
    -- the wait ends where the goods left
    case
        when is_left_early then least(eligible_after_utc, greatest(dispatch_after_utc, order_created_at_utc))
        else eligible_after_utc
    end as eligible_after_utc,
    case when is_left_early then greatest(dispatch_at_utc, order_created_at_utc) else eligible_at_utc end
        as eligible_at_utc,
    is_left_early,
    eligible_evidence,
    not_eligible_reason,
    due_after_utc,
    due_after_date,
    due_at_utc,
    due_date,
    dispatch_after_utc,
    dispatch_at_utc,
    dispatch_evidence,
    is_dispatch_missing,
    sla_state,
    could_be_on_time,
    could_be_late,
    case
        when sla_state in ('overdue', 'unknown') and not is_dispatched and not is_dispatch_missing
            and cancelled_at_utc is null and now_utc > due_at_utc
            then past_working_day_no - due_working_day_no
    end as overdue_working_days,
    -- no stretch is negative, whatever contradicts what
    case
        when is_dispatched and is_dispatch_exact
            then greatest(date_diff('second', order_created_at_utc, dispatch_at_utc), 0) / 3600.0
    end as click_to_ship_hours,
    case
        when is_dispatched and is_dispatch_exact and open_seconds_ended is not null and open_seconds_created is not null
            then greatest(open_seconds_ended - open_seconds_created, 0) / 3600.0
    end as click_to_ship_business_hours,
    case
        when is_dispatched and is_dispatch_exact and is_left_early then 0
        when is_dispatched and is_dispatch_exact and is_eligible_exact
            then date_diff('second', eligible_at_utc, dispatch_at_utc) / 3600.0
    end as warehouse_hours,
    case
        when is_dispatched and is_dispatch_exact and is_left_early and open_seconds_ended is not null then 0
        when is_dispatched and is_dispatch_exact and is_eligible_exact
            then (open_seconds_ended - open_seconds_eligible) / 3600.0
    end as warehouse_business_hours,
    case
        when is_left_early
            then
                case
                    when is_dispatch_exact
                        then greatest(date_diff('second', order_created_at_utc, dispatch_at_utc), 0) / 3600.0
                end
        when is_eligible_exact then date_diff('second', order_created_at_utc, eligible_at_utc) / 3600.0
    end as waiting_hours,
    case
        when is_left_early
            then
                case
                    when is_dispatch_exact and open_seconds_ended is not null and open_seconds_created is not null
                        then greatest(open_seconds_ended - open_seconds_created, 0) / 3600.0
                end
        when is_eligible_exact then (open_seconds_eligible - open_seconds_created) / 3600.0
    end as waiting_business_hours,
    case
        when sla_state in ('late', 'overdue') and due_after_utc = due_at_utc and (is_dispatch_exact or not is_dispatched)
            then greatest(open_seconds_ended - open_seconds_due, 0) / 3600.0
    end as late_business_hours,
    extra_pieces,
    later_pieces,
    unknown_reason,
    is_in_full,
    case when sla_state = 'on_time' then is_in_full when sla_state in ('late', 'overdue') then false end as is_otif,
    case
        when sla_state in ('late', 'overdue') then false
        when sla_state = 'on_time'
            then
                is_in_full
                and problem_began_at_utc is null
                and not_sent_at_utc is null
                and coalesce(damaged_in_at_utc > dispatch_at_utc + interval 30 days, true)
    end as is_perfect
from measured as m
