-- What the warehouse counted, of each pool.
-- Grain: one row per account, variant, pool and snapshot.
with

current_run as (

    select as_of
    from intermediate.run_now

),

-- what a later run counted is not known to a run dated before it
stock_levels as (

    select
        account,
        variant_id,
        snapshot_date,
        snapshot_at,
        quantity,
        damaged_quantity,
        unit_price
    from staging.stock_levels
    cross join current_run
    where
        _deleted_at is null
        and coalesce(_first_seen_at <= as_of, true)

)

select
    account,
    variant_id,
    'sellable' as pool,
    snapshot_date,
    snapshot_at,
    quantity,
    unit_price
from stock_levels
union all
select
    account,
    variant_id,
    'damaged' as pool,
    snapshot_date,
    snapshot_at,
    damaged_quantity as quantity,
    unit_price
from stock_levels
