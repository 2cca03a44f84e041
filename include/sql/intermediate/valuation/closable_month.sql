-- What a close of a month signs, of every account: the month as it is known now, opened with what was signed before it.
-- Grain: one row per account, variant and pool that had stock or moved, or was signed at the end of the month before.
with

months as (

    select *
    from intermediate.stock_movement_month
    where month = closed_month

),

costs as (

    select
        account,
        variant_id,
        pool,
        columns('_cogs$'),
        cogs
    from intermediate.cogs_month
    where month = closed_month

),

closes as (

    select
        account,
        close_id
    from marts.fct_period_close
    where
        is_in_force
        and month = closed_month - interval 1 month

),

balances as (

    select
        account,
        variant_id,
        pool,
        missing_cost_quantity,
        average_missing_cost_quantity
    from marts.fct_stock_balance
    where
        valid_from <= last_day(closed_month)
        and (valid_to is null or valid_to > last_day(closed_month))
        and (missing_cost_quantity <> 0 or average_missing_cost_quantity <> 0)

),

names as (

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
        (valid_from is null or cast(valid_from as date) <= last_day(closed_month))
        and (valid_to is null or cast(valid_to as date) > last_day(closed_month))

),

written_down as (

    select
        account,
        variant_id,
        pool,
        write_down
    from reports.stock_write_down_on(last_day(closed_month))

),

-- by what the end of the month before has changed since it was signed: known now, less signed
parts as (

    select
        m.account,
        m.variant_id,
        m.pool,
        columns('(receipts|returns|transformations_in|issues|transformations_out|settlements|closing)(_quantity|_value)?$'),
        case when c.close_id is null then columns('^(\w+_)?opening(_\w+)?$') else 0 end as '\1opening\2',
        case when c.close_id is null then 0 else columns('^(\w+_)?opening(_\w+)?$') end as '\1corrections\2'
    from months as m
    left join closes as c on m.account = c.account
    union all by name
    select
        l.account,
        l.variant_id,
        l.pool,
        columns('^(\w+_)?closing(_\w+)?$') as '\1opening\2',
        - columns('^(\w+_)?closing(_\w+)?$') as '\1corrections\2'
    from marts.fct_period_close_line as l
    inner join closes as c on l.close_id = c.close_id
    where
        -- a line that ended empty opens nothing
        l.closing_quantity <> 0
        or l.fifo_landed_closing <> 0
        or l.fifo_bare_closing <> 0
        or l.average_landed_closing <> 0
        or l.average_bare_closing <> 0
    union all by name
    select *
    from costs
    union all by name
    select *
    from balances

),

together as (

    select
        account,
        variant_id,
        pool,
        cast(coalesce(sum(columns('_quantity$')), 0) as bigint) as '\0',
        coalesce(sum(columns('_(landed|bare)_|_value$|^cogs$')), 0) as '\0'
    from parts
    group by account, variant_id, pool

)

select
    t.*,
    closed_month as month,
    n.code,
    n.ext_code,
    n.product_name,
    n.variant_name,
    n.category_path,
    -- of no pieces there is nothing to write down
    case when t.closing_quantity = 0 then 0 else w.write_down end as write_down
from together as t
left join written_down as w
    on
        t.account = w.account
        and t.variant_id = w.variant_id
        and t.pool = w.pool
left join names as n
    on
        t.account = n.account
        and t.variant_id = n.variant_id
