-- What later nights did to the stock of closed months, row by row.
-- Grain: one row per account, end of month, night, cause, movement or receiving, variant and pool.
with

settings as (

    select headline_method || '_' || headline_basis as headline
    from marts.dim_valuation_setting

),

-- the ends of the months between a change and the night that brought it; the night after a month still belongs to it
ended as (

    select
        account,
        variant_id,
        pool,
        known_from,
        cause,
        movement_id,
        version,
        receiving_id,
        cast(
            unnest(
                generate_series(
                    date_trunc('month', valid_from) + interval 1 month,
                    cast(known_from as timestamp) - interval 1 day,
                    interval 1 month
                )
            ) - interval 1 day as date
        ) as date,
        columns('_change$')
    from marts.fct_stock_revision

),

summed as (

    select
        account,
        date,
        known_from as known_day,
        cause,
        movement_id,
        version,
        receiving_id,
        variant_id,
        pool,
        cast(sum(quantity_change) as bigint) as quantity_change,
        sum(columns('_(landed|bare)_change$'))
    from ended
    group by account, date, known_from, cause, movement_id, version, receiving_id, variant_id, pool

)

select
    c.account,
    c.date,
    c.known_day,
    c.cause,
    c.movement_id,
    c.version,
    c.receiving_id,
    m.moved_at,
    m.kind,
    c.variant_id,
    c.pool,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    c.quantity_change,
    intermediate.headline(
        s.headline, c.fifo_landed_change, c.fifo_bare_change, c.average_landed_change, c.average_bare_change
    ) as value_change,
    c.fifo_landed_change,
    c.fifo_bare_change,
    c.average_landed_change,
    c.average_bare_change
from summed as c
cross join settings as s
left join marts.fct_stock_movement as m
    on
        c.account = m.account
        and c.movement_id = m.movement_id
left join intermediate.current_variant as v
    on
        c.account = v.account
        and c.variant_id = v.variant_id
where
    -- one of them is not zero
    least(*columns('_change$')) < 0
    or greatest(*columns('_change$')) > 0
