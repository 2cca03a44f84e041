-- Sellable pieces that left for orders, by day.
-- Grain: one row per account, variant and local day on which some left.
select
    account,
    variant_id,
    cast(moved_at as date) as date,
    cast(sum(quantity) as bigint) as quantity
from marts.fct_stock_movement
where
    kind = 'dispatch'
    and direction = 'out'
    and quantity > 0
group by account, variant_id, cast(moved_at as date)
