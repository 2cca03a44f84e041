-- What a close of a month signs, of every account: the month as it is known now, opened with what was signed before it.
-- Grain: one row per account, variant and pool that had stock, moved, is corrected or has cost of goods.
with

statement as (

    select
        account,
        variant_id,
        pool,
        columns('_quantity$'),
        columns('_(landed|bare)_'),
        columns('_value$')
    from reports.stock_movements_monthly
    where
        month = closed_month
        and not is_again

),

reopened as (

    select *
    from intermediate.open_stock_month
    where
        month = closed_month
        and is_again

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

written_down as (

    select
        account,
        variant_id,
        pool,
        write_down
    from reports.stock_write_down_on(last_day(closed_month))

),

parts as (

    select *
    from statement
    union all by name
    select * exclude (month)
    from reopened
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
left join intermediate.variant_at(last_day(closed_month)) as n
    on
        t.account = n.account
        and t.variant_id = n.variant_id
