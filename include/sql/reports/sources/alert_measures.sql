-- What the rules of alerts.yml compare: figures of this run that somebody may want to hear of.
-- Grain: one row per account, measure and subject.
with

current_run as (

    select
        as_of,
        cast(as_of as date) as today
    from intermediate.run_now

),

long_overdue_orders as (

    select
        account,
        'long_overdue_orders' as measure,
        orders as value,
        value as basis,
        oldest_age_hours as age_hours
    from reports.backlog
    where bucket = 'overdue_more_than_a_day'

),

stock_differences as (

    select
        account,
        unnest(['reconciliation_pieces', 'reconciliation_value']) as measure,
        -- pieces nobody knows the cost of are in no value
        unnest(['', case when unpriced_pieces > 0 then cast(unpriced_pieces as varchar) end]) as detail,
        unnest([cast(pieces as double), cast(amount as double)]) as value,
        pools as basis
    from intermediate.stock_difference

),

stale_listings as (

    select
        account,
        'listing_age_hours' as measure,
        table_name as subject,
        last_seen_age_hours as value,
        row_count as basis,
        value as age_hours
    from reports.data_freshness

),

-- the last day before today on which promises ran out: on a Sunday night still Friday
on_time_rates as (

    select
        d.account,
        'on_time_rate' as measure,
        cast(d.due_date as varchar) as detail,
        d.on_time_rate as value,
        d.on_time + d.late + d.overdue as basis
    from reports.sla_daily as d
    cross join current_run as r
    where
        d.due_date < r.today
        and d.on_time + d.late + d.overdue > 0
    qualify row_number() over (partition by d.account order by d.due_date desc) = 1

),

overdue_orders as (

    select
        account,
        'overdue_orders' as measure,
        sum(orders) as value,
        value as basis,
        max(oldest_age_hours) as age_hours
    from reports.backlog
    where bucket in ('overdue', 'overdue_more_than_a_day')
    group by account

),

open_problems as (

    select
        account,
        'problem_hours' as measure,
        'order ' || coalesce(number, order_id) as subject,
        problem_source as detail,
        max(hours_least) as value,
        count(*) as basis,
        value as age_hours
    from reports.problem_orders
    where is_open
    group by account, order_id, number, problem_source

),

open_fulfillments as (

    select
        account,
        'flickrocket_open_hours' as measure,
        max(open_hours) as value,
        count(*) as basis,
        value as age_hours
    from reports.flickrocket_open
    group by account

),

unmapped_statuses as (

    select
        account,
        'unmapped_status' as measure,
        source_status as subject,
        count(*) as value,
        value as basis
    from marts.fct_order
    where status = 'unmapped'
    group by account, source_status

),

price_changes as (

    select
        p.account,
        'price_change' as measure,
        p.subject || ', version ' || cast(p.version_no as varchar) as subject,
        cast(cast(p.previous_price as decimal(20, 2)) as varchar) || ' to '
        || cast(cast(p.price as decimal(20, 2)) as varchar) as detail,
        p.change as value,
        1 as basis,
        greatest(date_diff('second', p.valid_from, r.as_of), 0) / 3600.0 as age_hours
    from intermediate.price_change as p
    cross join current_run as r
    where
        p.valid_from <= r.as_of
        and p.valid_from > r.as_of - interval 31 days

),

quarantined as (

    select
        account,
        'quarantine_rows' as measure,
        table_name as subject,
        count(*) as value,
        value as basis
    from staging.quarantine
    group by account, table_name

),

measures as (

    select * from on_time_rates
    union all by name
    select * from overdue_orders
    union all by name
    select * from long_overdue_orders
    union all by name
    select * from open_problems
    union all by name
    select * from open_fulfillments
    union all by name
    select * from stock_differences
    union all by name
    select * from unmapped_statuses
    union all by name
    select * from price_changes
    union all by name
    select * from quarantined
    union all by name
    select * from stale_listings

)

select
    account,
    measure,
    coalesce(subject, '') as subject,
    coalesce(detail, '') as detail,
    value,
    basis,
    age_hours
from measures
where value is not null
