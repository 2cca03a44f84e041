-- Stock at the end of a day known now less the same as known on a day, row by row.
-- Grain: one row per account, night, cause, movement or receiving, variant and pool; in order: per variant and pool.
with

settings as (

    select
        account,
        headline
    from intermediate.account_headline

),

revisions as (

    select
        account,
        variant_id,
        pool,
        known_from as known_day_of_row,
        cause,
        movement_id,
        version,
        receiving_id,
        cast(sum(quantity_change) as bigint) as quantity_change,
        sum(columns('_(landed|bare)_change$'))
    from marts.fct_stock_revision
    where
        valid_from <= day
        and known_from > known_day
    group by account, variant_id, pool, known_from, cause, movement_id, version, receiving_id

),

-- what is no revision came later in its order
parts as (

    select
        account,
        variant_id,
        pool,
        quantity as quantity_change,
        columns('^(\w+_(landed|bare))_value$') as '\1_change'
    from marts.fct_stock_balance
    where
        valid_from <= day
        and (valid_to is null or valid_to > day)
    union all by name
    select
        account,
        variant_id,
        pool,
        -quantity as quantity_change,
        -columns('^(\w+_(landed|bare))_value$') as '\1_change'
    from reports.stock_balance_as_known(day, known_day)
    union all by name
    select
        account,
        variant_id,
        pool,
        -columns('_change$')
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
        cast(null as bigint) as receiving_id,
        cast(sum(quantity_change) as bigint) as quantity_change,
        sum(columns('_(landed|bare)_change$'))
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
    c.receiving_id,
    c.quantity_change,
    intermediate.headline(
        s.headline, c.fifo_landed_change, c.fifo_bare_change, c.average_landed_change, c.average_bare_change
    ) as value_change,
    c.fifo_landed_change,
    c.fifo_bare_change,
    c.average_landed_change,
    c.average_bare_change
from changes as c
inner join settings as s on c.account = s.account
left join intermediate.current_variant as v
    on
        c.account = v.account
        and c.variant_id = v.variant_id
where
    -- one of them is not zero
    least(*columns('_change$')) < 0
    or greatest(*columns('_change$')) > 0
