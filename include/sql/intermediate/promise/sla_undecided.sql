-- The days on which an order may have been due, where its due day or its state is in doubt, and what it was then.
-- Grain: one row per account, order and local day; by its latest cycle.
with

doubtful as (

    select
        account,
        order_id,
        rule_no,
        due_after_date,
        due_date,
        sla_state,
        dispatch_after_utc,
        dispatch_at_utc,
        cancelled_at_utc,
        is_dispatch_missing
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and rule_no is not null
        and due_after_date is not null
        and sla_state not in ('pending', 'excluded')
        and (sla_state = 'unknown' or due_after_date is distinct from due_date)

),

due_days as (

    select
        rule_no,
        working_day_no,
        due_date,
        due_at_utc
    from intermediate.sla_due_day

),

current_run as (

    select
        cast(as_of as date) as today,
        now_utc
    from intermediate.run_now

),

-- one that perhaps still waits may fall due any day; after today it is no matter yet
last_days as (

    select
        d.rule_no,
        max(d.working_day_no) as working_day_no
    from due_days as d
    cross join current_run as r
    where d.due_date <= r.today
    group by d.rule_no

),

spread as (

    select
        o.*,
        unnest(range(f.working_day_no, coalesce(l.working_day_no, n.working_day_no) + 1)) as working_day_no
    from doubtful as o
    inner join due_days as f
        on
            o.rule_no = f.rule_no
            and o.due_after_date = f.due_date
    left join due_days as l
        on
            o.rule_no = l.rule_no
            and o.due_date = l.due_date
    left join last_days as n
        on o.rule_no = n.rule_no

)

select
    o.account,
    o.order_id,
    d.due_date,
    d.due_date is not distinct from o.due_date as is_shown_day,
    o.due_after_date is not distinct from o.due_date as is_only_day,
    o.sla_state <> 'unknown' as is_claimed,
    case
        when o.dispatch_at_utc is not null and o.dispatch_after_utc = o.dispatch_at_utc
            then o.dispatch_at_utc <= d.due_at_utc
        when o.dispatch_at_utc is not null or o.is_dispatch_missing
            then coalesce(o.dispatch_after_utc < d.due_at_utc, true)
        else false
    end as could_be_on_time,
    case
        when o.dispatch_at_utc is not null then o.dispatch_at_utc > d.due_at_utc
        when o.is_dispatch_missing then true
        when o.cancelled_at_utc is not null then o.cancelled_at_utc > d.due_at_utc
        else r.now_utc > d.due_at_utc
    end as could_be_late
from spread as o
inner join due_days as d
    on
        o.rule_no = d.rule_no
        and o.working_day_no = d.working_day_no
cross join current_run as r
