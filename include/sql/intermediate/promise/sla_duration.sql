-- How long an order took: elapsed and business hours, where both of their ends are exact.
-- Grain: one row per order and cycle.
with

ended as (

    select
        *,
        eligible_after_utc is not distinct from eligible_at_utc as is_eligible_exact,
        -- before it was made, or before the day it was asked for
        coalesce(is_dispatched and dispatch_at_utc < eligible_after_utc, false) as is_left_early,
        coalesce(dispatch_at_utc, case when not is_dispatch_missing then coalesce(cancelled_at_utc, now_utc) end)
            as ended_at_utc
    from intermediate.sla_state

),

measured as (

    select
        e.*,
        intermediate.open_seconds_at(e.ended_at_utc, d.opens_at_utc, d.closes_at_utc, d.open_seconds_before)
            as open_seconds_ended
    from ended as e
    left join intermediate.calendar_zone_day as z
        on cast(e.ended_at_utc as date) = z.date
    left join intermediate.calendar_day as d
        on
            e.calendar_version = d.calendar_version
            and cast(
                intermediate.local_at(e.ended_at_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after) as date
            ) = d.date

)

select
    * exclude (
        ended_at_utc, is_eligible_exact, is_dispatch_exact, open_seconds_created, open_seconds_eligible,
        open_seconds_due, open_seconds_ended
    ),
    -- no stretch is negative, whatever contradicts what
    case
        when is_dispatched and is_dispatch_exact
            then greatest(date_diff('second', created_at_utc, dispatch_at_utc), 0) / 3600.0
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
                        then greatest(date_diff('second', created_at_utc, dispatch_at_utc), 0) / 3600.0
                end
        when is_eligible_exact then date_diff('second', created_at_utc, eligible_at_utc) / 3600.0
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
        when sla_state in ('late', 'overdue')
            and due_after_utc = due_at_utc
            and (is_dispatch_exact or not is_dispatched)
            then greatest(open_seconds_ended - open_seconds_due, 0) / 3600.0
    end as late_business_hours
from measured
