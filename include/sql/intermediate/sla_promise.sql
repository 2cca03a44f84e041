-- By when an order was promised to leave, from both ends of its eligibility.
-- Grain: one row per order and cycle.
with

eligibility as (

    select
        order_no,
        cycle_no,
        rule_no,
        calendar_version,
        cutoff,
        handling_days,
        eligible_after_utc,
        eligible_at_utc
    from intermediate.sla_eligibility
    where rule_no is not null

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
        working_days_through
    from intermediate.calendar_day

),

due_days as (

    select
        rule_no,
        working_day_no,
        due_date,
        due_at_utc
    from intermediate.sla_due_day

),

-- the two ends differ for few orders: each distinct end is worked out once
ends as (

    select
        order_no,
        cycle_no,
        rule_no,
        calendar_version,
        cutoff,
        handling_days,
        true as is_latest_end,
        eligible_at_utc as eligible_utc
    from eligibility
    where eligible_at_utc is not null
    union all
    select
        order_no,
        cycle_no,
        rule_no,
        calendar_version,
        cutoff,
        handling_days,
        false as is_latest_end,
        eligible_after_utc as eligible_utc
    from eligibility
    where
        eligible_after_utc is not null
        and eligible_after_utc is distinct from eligible_at_utc

),

local_ends as (

    select
        e.*,
        e.eligible_utc + to_seconds(
            case when e.eligible_utc >= z.utc_change_at then z.utc_offset_after else z.utc_offset end
        ) as eligible_local
    from ends as e
    inner join zone_days as z
        on cast(e.eligible_utc as date) = z.date

),

due as (

    select
        l.order_no,
        l.cycle_no,
        l.is_latest_end,
        d.working_day_no,
        d.due_date,
        d.due_at_utc
    from local_ends as l
    inner join calendar_days as c
        on
            l.calendar_version = c.calendar_version
            and cast(l.eligible_local as date) = c.date
    inner join due_days as d
        on
            l.rule_no = d.rule_no
            and d.working_day_no = c.working_days_through
            + l.handling_days
            + case when c.is_working_day and cast(l.eligible_local as time) < l.cutoff then 0 else 1 end

)

select
    e.order_no,
    e.cycle_no,
    -- equal ends were worked out once
    case
        when e.eligible_after_utc is null then null
        when e.eligible_after_utc = e.eligible_at_utc then l.due_at_utc
        else f.due_at_utc
    end as due_after_utc,
    l.due_at_utc,
    l.due_date,
    l.working_day_no as due_working_day_no
from eligibility as e
left join due as l
    on
        l.is_latest_end
        and e.order_no = l.order_no
        and e.cycle_no = l.cycle_no
left join due as f
    on
        not f.is_latest_end
        and e.order_no = f.order_no
        and e.cycle_no = f.cycle_no
