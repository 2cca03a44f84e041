-- What the journal books so that a closed month stays what was signed.
-- Grain: one row per account, close, kind and pool that differs, and per month, variant and pool that is corrected.
with

closes as (

    select
        close_id,
        account,
        month,
        last_day
    from intermediate.closed_month

),

differences as (

    select
        close_id,
        happened,
        pool,
        extra_cost,
        columns('_change$')
    from intermediate.signed_difference

),

corrections as (

    select
        account,
        month,
        variant_id,
        pool,
        columns('^(\w+_(landed|bare))_corrections$') as '\1_change'
    from reports.stock_movements_monthly
    where
        greatest(*columns('_(landed|bare)_corrections$')) <> 0
        or least(*columns('_(landed|bare)_corrections$')) <> 0

)

select
    c.account,
    case when d.happened = 'correction' then c.month - 1 else c.last_day end as date,
    d.happened,
    'close ' || d.close_id as document,
    'fct_period_close ' || d.close_id || ' ' || d.happened || ' ' || d.pool as source_row,
    null as variant_id,
    d.pool,
    d.extra_cost,
    columns('_change$')
from differences as d
inner join closes as c on d.close_id = c.close_id
union all by name
select
    account,
    month as date,
    'correction' as happened,
    'corrections ' || strftime(month, '%Y-%m') as document,
    'stock_movements_monthly ' || month || ' ' || variant_id || ' ' || pool as source_row,
    variant_id,
    pool,
    0 as extra_cost,
    columns('_change$')
from corrections
