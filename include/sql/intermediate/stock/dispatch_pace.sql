-- How many pieces of a variant leave for orders: the mean of 28 days, and the quartiles of their weeks.
-- Grain: one row per account and variant of which some left in the last 28 whole days before the latest look at its stock.
with

looks as (

    select
        account,
        max(snapshot_date) as today
    from marts.fct_stock_level
    group by account

),

-- before its first movement a variant has no history
beginnings as (

    select
        account,
        variant_id,
        min(valid_from) as first_date
    from marts.fct_stock_balance
    group by account, variant_id

),

recent as (

    select
        d.account,
        d.variant_id,
        d.date,
        d.quantity
    from intermediate.dispatched_day as d
    inner join looks as l
        on
            d.account = l.account
            and d.date >= l.today - 28
            and d.date < l.today

),

sums as (

    select
        account,
        variant_id,
        cast(sum(quantity) as bigint) as dispatched_quantity_28d
    from recent
    group by account, variant_id

),

days as (

    select
        s.account,
        s.variant_id,
        l.today,
        unnest(range(greatest(l.today - 28, b.first_date), l.today, interval 1 day))::date as date,
        greatest(l.today - 28, b.first_date) as first_date
    from sums as s
    inner join looks as l
        on s.account = l.account
    inner join beginnings as b
        on
            s.account = b.account
            and s.variant_id = b.variant_id

),

weeks as (

    select
        d.account,
        d.variant_id,
        d.date - d.first_date as days_before,
        sum(coalesce(r.quantity, 0)) over (
            partition by d.account, d.variant_id
            order by d.date
            rows between 6 preceding and current row
        ) / 7.0 as pieces_per_day
    from days as d
    left join recent as r
        on
            d.account = r.account
            and d.variant_id = r.variant_id
            and d.date = r.date

),

quartiles as (

    select
        account,
        variant_id,
        max(days_before) + 1 as history_days,
        quantile_cont(pieces_per_day, [0.25, 0.75]) filter (where days_before >= 6) as pieces_per_day
    from weeks
    group by account, variant_id

)

select
    s.account,
    s.variant_id,
    s.dispatched_quantity_28d,
    s.dispatched_quantity_28d / 28.0 as mean_daily_dispatched,
    q.history_days,
    case when q.history_days >= 14 then q.pieces_per_day[1] end as slow_daily_dispatched,
    case when q.history_days >= 14 then q.pieces_per_day[2] end as fast_daily_dispatched
from sums as s
inner join quartiles as q
    on
        s.account = q.account
        and s.variant_id = q.variant_id
