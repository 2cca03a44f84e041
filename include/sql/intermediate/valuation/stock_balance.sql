-- Stock of each pool at the end of a day, the headline figures beside those of every method.
-- Grain: one row per account, variant, pool and day on which it changed.
with

settings as (

    select headline_method || '_' || headline_basis as headline
    from marts.dim_valuation_setting

)

select
    b.account,
    b.variant_id,
    b.pool,
    b.valid_from,
    b.valid_to,
    b.quantity,
    b.fifo_landed_value,
    b.fifo_bare_value,
    b.average_landed_value,
    b.average_bare_value,
    intermediate.headline(
        s.headline, b.fifo_landed_value, b.fifo_bare_value, b.average_landed_value, b.average_bare_value
    ) as headline_value,
    b.missing_cost_quantity,
    b.average_missing_cost_quantity,
    intermediate.headline_quantity(
        s.headline, b.missing_cost_quantity, b.average_missing_cost_quantity
    ) as headline_missing_cost_quantity
from marts.fct_stock_balance as b
cross join settings as s
