-- By when an order was promised to leave, from both ends of its eligibility.
-- Grain: one row per order and cycle.
with

local_ends as (

    select
        e.*,
        intermediate.local_at(e.eligible_after_utc, f.utc_offset, f.utc_change_at, f.utc_offset_after)
            as eligible_after_local,
        intermediate.local_at(e.eligible_at_utc, l.utc_offset, l.utc_change_at, l.utc_offset_after) as eligible_local
    from intermediate.sla_eligibility as e
    left join intermediate.calendar_zone_day as f
        on cast(e.eligible_after_utc as date) = f.date
    left join intermediate.calendar_zone_day as l
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
        intermediate.open_seconds_at(e.eligible_at_utc, l.opens_at_utc, l.closes_at_utc, l.open_seconds_before)
            as open_seconds_eligible
    from local_ends as e
    left join intermediate.calendar_day as f
        on
            e.calendar_version = f.calendar_version
            and cast(e.eligible_after_local as date) = f.date
    left join intermediate.calendar_day as l
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
    intermediate.open_seconds_at(l.due_at_utc, l.opens_at_utc, l.closes_at_utc, l.open_seconds_before)
        as open_seconds_due
from due_numbers as e
left join intermediate.sla_due_day as f
    on
        e.rule_no = f.rule_no
        and e.first_due_working_day_no = f.working_day_no
left join intermediate.sla_due_day as l
    on
        e.rule_no = l.rule_no
        and e.due_working_day_no = l.working_day_no
