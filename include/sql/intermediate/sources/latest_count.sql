-- When the stock was read last.
-- Grain: one row per account.
with

counts as (

    select
        account,
        snapshot_date,
        snapshot_at
    from marts.fct_stock_reconciliation

)

select
    account,
    max(snapshot_date) as snapshot_date,
    max(snapshot_at) as snapshot_at
from counts
group by account
