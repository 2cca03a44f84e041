-- What is left of the catalogue's retail price after the average cost of a piece.
-- Grain: one row per account and variant of the catalogue.
with

variants as (

    select
        account,
        variant_id,
        code,
        ext_code,
        product_name,
        variant_name,
        category_path,
        price_retail,
        -- one below zero is no price
        case when price_retail >= 0 then price_retail end as asked_price
    from marts.dim_variant
    where
        is_current
        and deleted_at is null

),

balances as (

    select
        account,
        variant_id,
        valid_from,
        valid_to,
        quantity,
        average_landed_unit_cost,
        average_bare_unit_cost,
        average_missing_cost_quantity
    from marts.fct_stock_balance
    where pool = 'sellable'

),

-- sold out: the average of the day some were last there
latest as (

    select
        account,
        variant_id,
        max(quantity) filter (where valid_to is null) as quantity,
        max(valid_from) filter (where average_landed_unit_cost is not null) as cost_date,
        arg_max(average_landed_unit_cost, valid_from) filter (where average_landed_unit_cost is not null)
            as average_landed_unit_cost,
        arg_max(average_bare_unit_cost, valid_from) filter (where average_bare_unit_cost is not null)
            as average_bare_unit_cost,
        greatest(
            max(average_missing_cost_quantity) filter (where valid_to is null),
            arg_max_null(average_missing_cost_quantity, valid_from) filter (where average_landed_unit_cost is not null)
        ) as average_missing_cost_quantity
    from balances
    group by account, variant_id

),

-- a cost that is not wholly known is none
costs as (

    select
        account,
        variant_id,
        quantity,
        cost_date,
        average_missing_cost_quantity,
        case when average_missing_cost_quantity = 0 then average_landed_unit_cost end as average_landed_unit_cost,
        case when average_missing_cost_quantity = 0 then average_bare_unit_cost end as average_bare_unit_cost
    from latest

)

select
    v.account,
    v.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    coalesce(c.quantity, 0) as quantity,
    v.price_retail,
    c.cost_date,
    c.average_landed_unit_cost,
    c.average_bare_unit_cost,
    v.asked_price - c.average_landed_unit_cost as list_price_margin_landed,
    v.asked_price - c.average_bare_unit_cost as list_price_margin_bare,
    cast(v.asked_price - c.average_landed_unit_cost as double) / nullif(cast(v.asked_price as double), 0)
        as list_price_margin_landed_share,
    cast(v.asked_price - c.average_bare_unit_cost as double) / nullif(cast(v.asked_price as double), 0)
        as list_price_margin_bare_share,
    coalesce(c.average_missing_cost_quantity, 0) as average_missing_cost_quantity
from variants as v
left join costs as c
    on
        v.account = c.account
        and v.variant_id = c.variant_id
