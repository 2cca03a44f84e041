-- Whether an order left on time: by its promise, its dispatch and what it is now.
-- Grain: one row per order and cycle.
with

-- working days whose promises have run out by now
past_days as (

    select
        d.rule_no,
        max(d.working_day_no) as working_day_no
    from intermediate.sla_due_day as d
    cross join intermediate.run_now as r
    where d.due_at_utc < r.now_utc
    group by d.rule_no

),

latest_cycles as (

    select
        order_no,
        max(cycle_no) as cycle_no
    from intermediate.order_restart
    group by order_no

),

promised as (

    select
        p.*,
        coalesce(p.cycle_no = c.cycle_no, true) as is_latest_cycle,
        p.dispatch_after_utc is not distinct from p.dispatch_at_utc as is_dispatch_exact,
        d.working_day_no as past_working_day_no
    from intermediate.sla_promise as p
    left join latest_cycles as c
        on p.order_no = c.order_no
    left join past_days as d
        on p.rule_no = d.rule_no

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

)

select
    * exclude (past_working_day_no),
    case
        when sla_state in ('overdue', 'unknown') and not is_dispatched and not is_dispatch_missing
            and cancelled_at_utc is null and now_utc > due_at_utc
            then past_working_day_no - due_working_day_no
    end as overdue_working_days,
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
