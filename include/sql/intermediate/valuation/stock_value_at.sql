-- Stock and its value at the end of a local day, as it is known now or, with a known_day, as it was known then.
-- Grain: one row per account and variant that has moved by then.
with

settings as (

    select
        account,
        headline,
        nrv_factor
    from intermediate.account_headline

),

balances as (

    select
        account,
        variant_id,
        pool,
        columns('^(\w+_)?(quantity|value)$')
    from marts.fct_stock_balance
    where
        known_day is null
        and valid_from <= day
        and (valid_to is null or valid_to > day)
    union all by name
    select
        account,
        variant_id,
        pool,
        columns('^(\w+_)?(quantity|value)$')
    from reports.stock_balance_as_known(day, known_day)
    where known_day is not null

),

both_pools as (

    select
        account,
        variant_id,
        cast(coalesce(sum(quantity) filter (where pool = 'sellable'), 0) as bigint) as quantity,
        cast(coalesce(sum(quantity) filter (where pool = 'damaged'), 0) as bigint) as damaged_quantity,
        coalesce(sum(columns('_value$')) filter (where pool = 'sellable'), 0) as '\0',
        coalesce(sum(columns('^(\w+_value)$')) filter (where pool = 'damaged'), 0) as 'damaged_\1',
        cast(sum(columns('missing_cost_quantity$')) as bigint) as '\0'
    from balances
    group by account, variant_id

),

headlines as (

    select
        b.*,
        intermediate.headline(
            s.headline, b.fifo_landed_value, b.fifo_bare_value, b.average_landed_value, b.average_bare_value
        ) as stock_value,
        intermediate.headline(
            s.headline,
            b.damaged_fifo_landed_value,
            b.damaged_fifo_bare_value,
            b.damaged_average_landed_value,
            b.damaged_average_bare_value
        ) as damaged_value,
        intermediate.headline_quantity(
            s.headline, b.missing_cost_quantity, b.average_missing_cost_quantity
        ) as headline_missing_cost_quantity,
        s.nrv_factor
    from both_pools as b
    inner join settings as s on b.account = s.account

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
    columns('_(landed|bare)_value$'),
    columns('missing_cost_quantity$')
from headlines as h
left join intermediate.variant_at(day) as v
    on
        h.account = v.account
        and h.variant_id = v.variant_id
