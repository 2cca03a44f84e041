-- Orders that have not left, by how soon they have to.
-- Grain: one row per account and bucket.
with

fulfillments as (

    select
        account,
        created_at_utc,
        due_date,
        due_at_utc,
        sla_state,
        not_eligible_reason,
        overdue_working_days
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and dispatch_at_utc is null
        and cancelled_at_utc is null
        and sent_at_utc is null

),

current_run as (

    select
        cast(as_of as date) as today,
        staging.utc_of(as_of, zone) as now_utc
    from meta.current_run

),

sorted as (

    select
        f.account,
        f.created_at_utc,
        f.due_at_utc,
        r.now_utc,
        case
            when f.not_eligible_reason is not null then 'not_eligible_' || f.not_eligible_reason
            when f.due_at_utc is null then 'no_promise_known'
            when f.sla_state = 'unknown' then 'perhaps_overdue'
            when f.sla_state = 'overdue' and f.overdue_working_days >= 1 then 'overdue_more_than_a_day'
            when f.sla_state = 'overdue' then 'overdue'
            when f.due_date = r.today then 'due_today'
            when f.due_date = r.today + 1 then 'due_tomorrow'
            else 'due_later'
        end as bucket
    from fulfillments as f
    cross join current_run as r

)

select
    account,
    case
        when bucket = 'overdue_more_than_a_day' then 1
        when bucket = 'overdue' then 2
        when bucket = 'perhaps_overdue' then 3
        when bucket = 'due_today' then 4
        when bucket = 'due_tomorrow' then 5
        when bucket = 'due_later' then 6
        when bucket = 'no_promise_known' then 8
        else 7
    end as position,
    bucket,
    count(*) as orders,
    min(created_at_utc) as oldest_created_at_utc,
    min(due_at_utc) as first_due_at_utc,
    date_diff('second', min(created_at_utc), any_value(now_utc)) / 3600.0 as oldest_age_hours
from sorted
group by account, bucket
