-- Orders that have not left, counted by how soon they have to.
-- Grain: one row per account and bucket, empty buckets too.
with

accounts as (

    select distinct account
    from staging.orders

),

buckets as (

    select
        unnest(range(1, 12)) as position,
        unnest([
            'overdue_more_than_a_day',
            'overdue',
            'perhaps_overdue',
            'due_today',
            'due_tomorrow',
            'due_later',
            'not_eligible_hold',
            'not_eligible_stock',
            'not_eligible_correction',
            'not_eligible_requested_date',
            'no_promise_known'
        ]) as bucket

),

counted as (

    select
        account,
        bucket,
        count(*) as orders,
        min(created_at_utc) as oldest_created_at_utc,
        min(due_at_utc) as first_due_at_utc,
        max(age_hours) as oldest_age_hours
    from reports.backlog_orders
    group by account, bucket

)

select
    a.account,
    b.position,
    b.bucket,
    coalesce(c.orders, 0) as orders,
    c.oldest_created_at_utc,
    c.first_due_at_utc,
    c.oldest_age_hours
from accounts as a
cross join buckets as b
left join counted as c
    on
        a.account = c.account
        and b.bucket = c.bucket
