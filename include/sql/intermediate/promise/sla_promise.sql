-- By when an order was promised to leave, from both ends of its eligibility.
-- Grain: one row per order and cycle.
with

eligibility as (

    select
        account,
        order_id,
        order_no,
        cycle_no,
        delivery_id,
        created_date,
        order_created_at_utc,
        open_seconds_created,
        now_utc,
        rule_no,
        policy_version,
        calendar_version,
        cutoff,
        handling_days,
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
        unknown_reason,
        is_in_full
    from intermediate.sla_eligibility

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
        is_working_day,
        working_days_through,
        opens_at_utc,
        closes_at_utc,
        open_seconds_before
    from intermediate.calendar_day

),

due_days as (

    select
        rule_no,
        working_day_no,
        due_date,
        due_at_utc,
        opens_at_utc,
        closes_at_utc,
        open_seconds_before
    from intermediate.sla_due_day

),

local_ends as (

    select
        e.*,
        e.eligible_after_utc + to_seconds(
            case when e.eligible_after_utc >= f.utc_change_at then f.utc_offset_after else f.utc_offset end
        ) as eligible_after_local,
        e.eligible_at_utc + to_seconds(
            case when e.eligible_at_utc >= l.utc_change_at then l.utc_offset_after else l.utc_offset end
        ) as eligible_local
    from eligibility as e
    left join zone_days as f
        on cast(e.eligible_after_utc as date) = f.date
    left join zone_days as l
        on cast(e.eligible_at_utc as date) = l.date

),

due_numbers as (

    select
        e.*,
        f.working_days_through
        + e.handling_days
        + case when f.is_working_day and cast(e.eligible_after_local as time) < e.cutoff then 0 else 1 end
            as first_due_working_day_no,
        l.working_days_through
        + e.handling_days
        + case when l.is_working_day and cast(e.eligible_local as time) < e.cutoff then 0 else 1 end
            as due_working_day_no,
        l.open_seconds_before
        + coalesce(
            greatest(date_diff('second', l.opens_at_utc, least(e.eligible_at_utc, l.closes_at_utc)), 0), 0
        ) as open_seconds_eligible
    from local_ends as e
    left join calendar_days as f
        on
            e.calendar_version = f.calendar_version
            and cast(e.eligible_after_local as date) = f.date
    left join calendar_days as l
        on
            e.calendar_version = l.calendar_version
            and cast(e.eligible_local as date) = l.date

)

select
    e.*,
    f.due_at_utc as due_after_utc,
    f.due_date as due_after_date,
    l.due_at_utc,
    l.due_date,
    l.open_seconds_before
    + greatest(date_diff('second', l.opens_at_utc, least(l.due_at_utc, l.closes_at_utc)), 0) as open_seconds_due
from due_numbers as e
left join due_days as f
    on
        e.rule_no = f.rule_no
        and e.first_due_working_day_no = f.working_day_no
left join due_days as l
    on
        e.rule_no = l.rule_no
        and e.due_working_day_no = l.working_day_no
