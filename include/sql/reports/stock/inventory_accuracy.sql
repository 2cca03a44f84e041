-- How well the ledger explains each count of the stock.
-- Grain: one row per account, snapshot and pool.
with

reconciliation as (

    select
        account,
        pool,
        snapshot_date,
        snapshot_quantity,
        quantity_diff
    from marts.fct_stock_reconciliation

)

select
    account,
    snapshot_date,
    pool,
    count(*) as variants,
    count(*) filter (where quantity_diff <> 0) as differing_variants,
    cast(coalesce(sum(snapshot_quantity), 0) as bigint) as snapshot_quantity,
    cast(sum(abs(quantity_diff)) as bigint) as absolute_difference,
    1 - sum(abs(quantity_diff)) / nullif(cast(sum(snapshot_quantity) as double), 0) as inventory_accuracy
from reconciliation
group by account, snapshot_date, pool
