-- How far the latest count and the ledger are apart.
-- Grain: one row per account.
with

counts as (

    select
        account,
        snapshot_date,
        abs(quantity_diff) as pieces,
        coalesce(average_landed_unit_cost, snapshot_unit_price) as unit_cost
    from marts.fct_stock_reconciliation

)

select
    c.account,
    sum(c.pieces) as pieces,
    sum(cast(c.pieces as decimal(12, 0)) * coalesce(c.unit_cost, cast(0 as decimal(24, 12)))) as amount,
    coalesce(sum(c.pieces) filter (where c.unit_cost is null), 0) as unpriced_pieces,
    count(*) filter (where c.pieces <> 0) as pools
from counts as c
inner join intermediate.latest_count as l
    on
        c.account = l.account
        and c.snapshot_date = l.snapshot_date
group by c.account
