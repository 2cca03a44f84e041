-- What later nights did to the stock of closed months, row by row.
-- Grain: one row per account, end of month, night, cause, movement, variant and pool.
with

revisions as (

    select
        account,
        variant_id,
        pool,
        known_from,
        cause,
        movement_id,
        version,
        valid_from,
        quantity_change,
        fifo_landed_change,
        fifo_bare_change,
        average_landed_change,
        average_bare_change
    from marts.fct_stock_revision

),

movements as (

    select
        account,
        movement_id,
        moved_at,
        kind
    from marts.fct_stock_movement

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
        cast(
            unnest(
                generate_series(
                    date_trunc('month', valid_from) + interval 1 month,
                    cast(known_from as timestamp) - interval 1 day,
                    interval 1 month
                )
            ) - interval 1 day as date
        ) as date,
        quantity_change,
        fifo_landed_change,
        fifo_bare_change,
        average_landed_change,
        average_bare_change
    from revisions

),

summed as (

    select
        account,
        date,
        known_from as known_day,
        cause,
        movement_id,
        version,
        variant_id,
        pool,
        cast(sum(quantity_change) as bigint) as quantity_change,
        sum(fifo_landed_change) as fifo_landed_change,
        sum(fifo_bare_change) as fifo_bare_change,
        sum(average_landed_change) as average_landed_change,
        sum(average_bare_change) as average_bare_change
    from ended
    group by account, date, known_from, cause, movement_id, version, variant_id, pool
    having
        sum(quantity_change) <> 0
        or sum(fifo_landed_change) <> 0
        or sum(fifo_bare_change) <> 0
        or sum(average_landed_change) <> 0
        or sum(average_bare_change) <> 0

)

select
    c.account,
    c.date,
    c.known_day,
    c.cause,
    c.movement_id,
    c.version,
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
from summed as c
cross join settings as s
left join movements as m
    on
        c.account = m.account
        and c.movement_id = m.movement_id
left join variants as v
    on
        c.account = v.account
        and c.variant_id = v.variant_id
