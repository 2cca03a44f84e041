-- Stock and its value at the end of a local day, as it was known on another.
-- Grain: one row per account and variant that had moved by then, as far as was known.
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
    from reports.stock_balance_as_known(day, known_day)

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

first_loads as (

    select
        account,
        cast(min(_valid_from) as date) as known_since
    from staging.movements_history
    where _in_first_load
    group by account

),

-- an empty answer would read as an empty shelf
first_known as (

    select min(known_from) as known_from
    from (
        select known_from
        from marts.fct_stock_movement
        union all
        select known_from
        from marts.fct_stock_movement_version
    )

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
    h.headline_missing_cost_quantity,
    f.known_since
from headlines as h
left join first_loads as f
    on h.account = f.account
left join variants as v
    on
        h.account = v.account
        and h.variant_id = v.variant_id
union all by name
-- no row, or the reason
select cast(null as varchar) as account
from first_known
where
    case
        when known_day < known_from
            then error(
                'Nothing is known on ' || known_day || ': the first movement is known from ' || known_from
                || ' on. Ask for a known_day from then on.'
            )
        else false
    end
