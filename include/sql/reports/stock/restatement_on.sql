-- Stock at the end of a day known now less the same as known on a day, row by row.
-- Grain: one row per account, night, cause, movement, variant and pool; in order: one row per account, variant and pool.
with

revisions as (

    select
        account,
        variant_id,
        pool,
        known_from as known_day_of_row,
        cause,
        movement_id,
        version,
        cast(sum(quantity_change) as bigint) as quantity_change,
        sum(fifo_landed_change) as fifo_landed_change,
        sum(fifo_bare_change) as fifo_bare_change,
        sum(average_landed_change) as average_landed_change,
        sum(average_bare_change) as average_bare_change
    from marts.fct_stock_revision
    where
        valid_from <= day
        and known_from > known_day
    group by account, variant_id, pool, known_from, cause, movement_id, version

),

balances as (

    select
        account,
        variant_id,
        pool,
        quantity,
        fifo_landed_value,
        fifo_bare_value,
        average_landed_value,
        average_bare_value
    from marts.fct_stock_balance
    where
        valid_from <= day
        and (valid_to is null or valid_to > day)

),

known as (

    select
        account,
        variant_id,
        pool,
        quantity,
        fifo_landed_value,
        fifo_bare_value,
        average_landed_value,
        average_bare_value
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
    where is_current

),

settings as (

    select
        headline_method,
        headline_basis
    from marts.dim_valuation_setting

),

-- what is no revision came later in its order
parts as (

    select
        account,
        variant_id,
        pool,
        quantity,
        fifo_landed_value,
        fifo_bare_value,
        average_landed_value,
        average_bare_value
    from balances
    union all
    select
        account,
        variant_id,
        pool,
        -quantity,
        -fifo_landed_value,
        -fifo_bare_value,
        -average_landed_value,
        -average_bare_value
    from known
    union all
    select
        account,
        variant_id,
        pool,
        -quantity_change,
        -fifo_landed_change,
        -fifo_bare_change,
        -average_landed_change,
        -average_bare_change
    from revisions

),

in_order as (

    select
        account,
        variant_id,
        pool,
        cast(null as date) as known_day_of_row,
        'in order' as cause,
        cast(null as bigint) as movement_id,
        cast(null as integer) as version,
        cast(sum(quantity) as bigint) as quantity_change,
        sum(fifo_landed_value) as fifo_landed_change,
        sum(fifo_bare_value) as fifo_bare_change,
        sum(average_landed_value) as average_landed_change,
        sum(average_bare_value) as average_bare_change
    from parts
    group by account, variant_id, pool

),

changes as (

    select * from revisions
    union all by name
    select * from in_order

)

select
    c.account,
    c.variant_id,
    c.pool,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    c.known_day_of_row as known_from,
    c.cause,
    c.movement_id,
    c.version,
    c.quantity_change,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then c.fifo_landed_change
        when 'fifo_bare' then c.fifo_bare_change
        when 'average_landed' then c.average_landed_change
        else c.average_bare_change
    end as value_change,
    c.fifo_landed_change,
    c.fifo_bare_change,
    c.average_landed_change,
    c.average_bare_change
from changes as c
cross join settings as s
left join variants as v
    on
        c.account = v.account
        and c.variant_id = v.variant_id
where
    c.quantity_change <> 0
    or c.fifo_landed_change <> 0
    or c.fifo_bare_change <> 0
    or c.average_landed_change <> 0
    or c.average_bare_change <> 0
