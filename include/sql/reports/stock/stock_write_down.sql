-- Stock at cost and at what it can still be sold for, by the rules in force today.
-- Grain: one row per account, variant and pool with pieces on hand or owed.
select
    account,
    variant_id,
    pool,
    code,
    ext_code,
    product_name,
    variant_name,
    category_path,
    quantity,
    cost,
    net_realisable_value,
    write_down,
    write_down_most,
    rule,
    is_cost_missing
from reports.stock_write_down_on((select cast(as_of as date) from meta.current_run))
