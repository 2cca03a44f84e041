-- Stock and its value at the end of a local day.
-- Grain: one row per account and variant that has moved by then.
with

balances as (

    select
        account,
        variant_id,
        pool,
        quantity,
        fifo_landed_value,
        fifo_bare_value,
        average_landed_value,
        average_bare_value,
        missing_cost_quantity,
        average_missing_cost_quantity
    from marts.fct_stock_balance
    where
        valid_from <= day
        and (valid_to is null or valid_to > day)

),

variants as (

    select
        account,
        variant_id,
        code,
        ext_code,
        product_name,
        variant_name,
        category_path
    from marts.dim_variant
    where
        (valid_from is null or cast(valid_from as date) <= day)
        and (valid_to is null or cast(valid_to as date) > day)

),

settings as (

    select
        headline_method,
        headline_basis,
        nrv_factor
    from marts.dim_valuation_setting

),

both_pools as (

    select
        account,
        variant_id,
        cast(coalesce(sum(quantity) filter (where pool = 'sellable'), 0) as bigint) as quantity,
        cast(coalesce(sum(quantity) filter (where pool = 'damaged'), 0) as bigint) as damaged_quantity,
        coalesce(sum(fifo_landed_value) filter (where pool = 'sellable'), 0) as fifo_landed_value,
        coalesce(sum(fifo_bare_value) filter (where pool = 'sellable'), 0) as fifo_bare_value,
        coalesce(sum(average_landed_value) filter (where pool = 'sellable'), 0) as average_landed_value,
        coalesce(sum(average_bare_value) filter (where pool = 'sellable'), 0) as average_bare_value,
        coalesce(sum(fifo_landed_value) filter (where pool = 'damaged'), 0) as damaged_fifo_landed_value,
        coalesce(sum(fifo_bare_value) filter (where pool = 'damaged'), 0) as damaged_fifo_bare_value,
        coalesce(sum(average_landed_value) filter (where pool = 'damaged'), 0) as damaged_average_landed_value,
        coalesce(sum(average_bare_value) filter (where pool = 'damaged'), 0) as damaged_average_bare_value,
        cast(sum(missing_cost_quantity) as bigint) as missing_cost_quantity,
        cast(sum(average_missing_cost_quantity) as bigint) as average_missing_cost_quantity
    from balances
    group by account, variant_id

),

headlines as (

    select
        b.*,
        case s.headline_method || '_' || s.headline_basis
            when 'fifo_landed' then b.fifo_landed_value
            when 'fifo_bare' then b.fifo_bare_value
            when 'average_landed' then b.average_landed_value
            else b.average_bare_value
        end as stock_value,
        case s.headline_method || '_' || s.headline_basis
            when 'fifo_landed' then b.damaged_fifo_landed_value
            when 'fifo_bare' then b.damaged_fifo_bare_value
            when 'average_landed' then b.damaged_average_landed_value
            else b.damaged_average_bare_value
        end as damaged_value,
        case s.headline_method
            when 'fifo' then b.missing_cost_quantity
            else b.average_missing_cost_quantity
        end as headline_missing_cost_quantity,
        s.nrv_factor
    from both_pools as b
    cross join settings as s

)

select
    h.account,
    h.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    h.quantity,
    h.damaged_quantity,
    h.stock_value,
    h.damaged_value,
    cast(h.damaged_value * h.nrv_factor as decimal(38, 18)) as damaged_value_nrv,
    h.fifo_landed_value,
    h.fifo_bare_value,
    h.average_landed_value,
    h.average_bare_value,
    h.damaged_fifo_landed_value,
    h.damaged_fifo_bare_value,
    h.damaged_average_landed_value,
    h.damaged_average_bare_value,
    h.missing_cost_quantity,
    h.average_missing_cost_quantity,
    h.headline_missing_cost_quantity
from headlines as h
left join variants as v
    on
        h.account = v.account
        and h.variant_id = v.variant_id
