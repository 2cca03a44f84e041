-- What the rules of alerts.yml compare: figures of this run that a person may want to be told of.
-- Grain: one row per account, measure and subject.
with

current_run as (

    select
        as_of,
        cast(as_of as date) as today,
        now_utc
    from intermediate.run_now

),

-- the last day before today on which promises ran out: on a Sunday night still Friday
last_due_days as (

    select
        d.account,
        max(d.due_date) as due_date
    from reports.sla_daily as d
    cross join current_run as r
    where
        d.due_date < r.today
        and d.on_time + d.late + d.overdue > 0
    group by d.account

),

on_time_rates as (

    select
        d.account,
        'on_time_rate' as measure,
        '' as subject,
        cast(d.due_date as varchar) as detail,
        d.on_time_rate as value,
        d.on_time + d.late + d.overdue as basis,
        cast(null as double) as age_hours
    from reports.sla_daily as d
    inner join last_due_days as l
        on
            d.account = l.account
            and d.due_date = l.due_date

),

overdue_orders as (

    select
        account,
        'overdue_orders' as measure,
        '' as subject,
        '' as detail,
        sum(orders) as value,
        sum(orders) as basis,
        max(oldest_age_hours) as age_hours
    from reports.backlog
    where bucket in ('overdue', 'overdue_more_than_a_day')
    group by account

),

long_overdue_orders as (

    select
        account,
        'long_overdue_orders' as measure,
        '' as subject,
        '' as detail,
        orders as value,
        orders as basis,
        oldest_age_hours as age_hours
    from reports.backlog
    where bucket = 'overdue_more_than_a_day'

),

open_problems as (

    select
        account,
        'problem_hours' as measure,
        'order ' || coalesce(number, order_id) as subject,
        problem_source as detail,
        max(hours_least) as value,
        count(*) as basis,
        max(hours_least) as age_hours
    from reports.problem_orders
    where is_open
    group by account, order_id, number, problem_source

),

open_fulfillments as (

    select
        account,
        'flickrocket_open_hours' as measure,
        '' as subject,
        '' as detail,
        max(open_hours) as value,
        count(*) as basis,
        max(open_hours) as age_hours
    from reports.flickrocket_open
    group by account

),

latest_snapshots as (

    select
        account,
        max(snapshot_date) as snapshot_date
    from marts.fct_stock_reconciliation
    group by account

),

differences as (

    select
        r.account,
        sum(abs(r.quantity_diff)) as pieces,
        sum(
            cast(abs(r.quantity_diff) as decimal(12, 0))
            * coalesce(r.average_landed_unit_cost, r.snapshot_unit_price, cast(0 as decimal(24, 12)))
        ) as amount,
        coalesce(
            sum(abs(r.quantity_diff)) filter (where coalesce(r.average_landed_unit_cost, r.snapshot_unit_price) is null), 0
        ) as unpriced_pieces,
        count(*) filter (where r.quantity_diff <> 0) as pools
    from marts.fct_stock_reconciliation as r
    inner join latest_snapshots as l
        on
            r.account = l.account
            and r.snapshot_date = l.snapshot_date
    group by r.account

),

reconciliation_pieces as (

    select
        account,
        'reconciliation_pieces' as measure,
        '' as subject,
        '' as detail,
        pieces as value,
        pools as basis,
        cast(null as double) as age_hours
    from differences

),

reconciliation_values as (

    select
        account,
        'reconciliation_value' as measure,
        '' as subject,
        -- they are in no value
        case when unpriced_pieces > 0 then cast(unpriced_pieces as varchar) else '' end as detail,
        cast(amount as double) as value,
        pools as basis,
        cast(null as double) as age_hours
    from differences

),

unmapped_statuses as (

    select
        account,
        'unmapped_status' as measure,
        source_status as subject,
        '' as detail,
        count(*) as value,
        count(*) as basis,
        cast(null as double) as age_hours
    from marts.fct_order
    where status = 'unmapped'
    group by account, source_status

),

asked_prices as (

    select
        account,
        'FlickRocket price ' || cast(price_id as varchar) || ' ' || market_code as subject,
        version_no,
        amount as price,
        valid_from
    from marts.fct_price

),

variant_prices as (

    select
        account,
        variant_id,
        version_no,
        price_purchase,
        price_retail,
        valid_from
    from marts.dim_variant

),

prices as (

    select
        account,
        subject,
        version_no,
        price,
        valid_from
    from asked_prices
    union all
    select
        account,
        'purchase price of variant ' || cast(variant_id as varchar) as subject,
        version_no,
        price_purchase as price,
        valid_from
    from variant_prices
    union all
    select
        account,
        'retail price of variant ' || cast(variant_id as varchar) as subject,
        version_no,
        price_retail as price,
        valid_from
    from variant_prices

),

stepped as (

    select
        *,
        lag(price) over (partition by account, subject order by version_no) as previous_price
    from prices

),

-- a version may differ in something else: only one with another price counts
price_changes as (

    select
        s.account,
        'price_change' as measure,
        s.subject || ', version ' || cast(s.version_no as varchar) as subject,
        cast(cast(s.previous_price as decimal(20, 2)) as varchar) || ' to '
        || cast(cast(s.price as decimal(20, 2)) as varchar) as detail,
        -- what was free and is not has changed without bound
        case
            when s.previous_price = 0 then cast('infinity' as double)
            else abs(cast(s.price as double) / cast(s.previous_price as double) - 1)
        end as value,
        1 as basis,
        greatest(date_diff('second', s.valid_from, r.as_of), 0) / 3600.0 as age_hours
    from stepped as s
    cross join current_run as r
    where
        s.previous_price >= 0
        and s.price is distinct from s.previous_price
        and s.price is not null
        and s.valid_from <= r.as_of
        and s.valid_from > r.as_of - interval 31 days

),

quarantined as (

    select
        account,
        'quarantine_rows' as measure,
        table_name as subject,
        '' as detail,
        count(*) as value,
        count(*) as basis,
        cast(null as double) as age_hours
    from staging.quarantine
    group by account, table_name

),

stale_listings as (

    select
        account,
        'listing_age_hours' as measure,
        table_name as subject,
        '' as detail,
        last_seen_age_hours as value,
        row_count as basis,
        last_seen_age_hours as age_hours
    from reports.data_freshness

),

measures as (

    select *
    from on_time_rates
    union all
    select *
    from overdue_orders
    union all
    select *
    from long_overdue_orders
    union all
    select *
    from open_problems
    union all
    select *
    from open_fulfillments
    union all
    select *
    from reconciliation_pieces
    union all
    select *
    from reconciliation_values
    union all
    select *
    from unmapped_statuses
    union all
    select *
    from price_changes
    union all
    select *
    from quarantined
    union all
    select *
    from stale_listings

)

select
    account,
    measure,
    subject,
    detail,
    value,
    basis,
    age_hours
from measures
where value is not null
