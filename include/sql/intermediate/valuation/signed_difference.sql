-- What was signed of a closed month less what is known of it now, as the journal books it.
-- Grain: one row per close in force, kind and pool.
with

closes as (

    select
        close_id,
        account,
        month,
        next_month
    from intermediate.closed_month

),

signed_lines as (

    select
        close_id,
        pool,
        columns('^(fifo|average)_(landed|bare)_')
    from marts.fct_period_close_line

),

movements as (

    select
        account,
        cast(date_trunc('month', date) as date) as month,
        happened,
        side,
        pool,
        extra_cost,
        columns('_change$')
    from intermediate.movement_change

),

days as (

    select
        account,
        date + 1 as month,
        columns('^(damaged_)?(fifo|average)_(landed|bare)_value$')
    from intermediate.stock_value_day

),

-- a close does not sign what came in apart by where it came from, nor what left besides goods sold
signed as (

    select
        l.close_id,
        l.pool,
        unnest(['receipt', 'transformation', 'cost_of_goods', 'damage']) as happened,
        unnest([l.fifo_landed_receipts - l.fifo_bare_receipts, 0, 0, 0]) as extra_cost,
        unnest(
            [
                l.fifo_landed_receipts,
                l.fifo_landed_transformations_in - l.fifo_landed_transformations_out,
                -l.fifo_landed_cogs,
                l.fifo_landed_returns - l.fifo_landed_issues - l.fifo_landed_settlements + l.fifo_landed_cogs
            ]
        ) as fifo_landed_change,
        unnest(
            [
                l.fifo_bare_receipts,
                l.fifo_bare_transformations_in - l.fifo_bare_transformations_out,
                -l.fifo_bare_cogs,
                l.fifo_bare_returns - l.fifo_bare_issues - l.fifo_bare_settlements + l.fifo_bare_cogs
            ]
        ) as fifo_bare_change,
        unnest(
            [
                l.average_landed_receipts,
                l.average_landed_transformations_in - l.average_landed_transformations_out,
                -l.average_landed_cogs,
                l.average_landed_returns - l.average_landed_issues - l.average_landed_settlements + l.average_landed_cogs
            ]
        ) as average_landed_change,
        unnest(
            [
                l.average_bare_receipts,
                l.average_bare_transformations_in - l.average_bare_transformations_out,
                -l.average_bare_cogs,
                l.average_bare_returns - l.average_bare_issues - l.average_bare_settlements + l.average_bare_cogs
            ]
        ) as average_bare_change
    from signed_lines as l
    semi join closes as c on l.close_id = c.close_id

),

known as (

    select
        c.close_id,
        m.pool,
        case
            when m.side = 'receipt' and m.happened in ('receipt', 'find', 'opening') then 'receipt'
            when m.side <> 'settlement' and m.happened = 'transformation' then 'transformation'
            when m.happened in ('cost_of_goods', 'settlement', 'return') then 'cost_of_goods'
            else 'damage'
        end as happened,
        case when m.happened = 'transformation' then 0 else -m.extra_cost end as extra_cost,
        -columns('^\w+_change$')
    from movements as m
    inner join closes as c
        on
            m.account = c.account
            and m.month = c.month

),

-- before the first closed month, and where one was left out, stock may have changed since
begun as (

    select
        c.close_id,
        c.account,
        c.month
    from closes as c
    anti join closes as before
        on
            c.account = before.account
            and c.month = before.next_month

),

openings as (

    select
        l.close_id,
        l.pool,
        columns('^(\w+)_opening$') as '\1_change'
    from signed_lines as l
    semi join begun as b on l.close_id = b.close_id
    union all by name
    select
        b.close_id,
        unnest(['sellable', 'damaged']) as pool,
        unnest([-d.fifo_landed_value, -d.damaged_fifo_landed_value]) as fifo_landed_change,
        unnest([-d.fifo_bare_value, -d.damaged_fifo_bare_value]) as fifo_bare_change,
        unnest([-d.average_landed_value, -d.damaged_average_landed_value]) as average_landed_change,
        unnest([-d.average_bare_value, -d.damaged_average_bare_value]) as average_bare_change
    from days as d
    inner join begun as b
        on
            d.account = b.account
            and d.month = b.month

),

parts as (

    select *
    from signed
    union all by name
    select *
    from known
    union all by name
    select
        *,
        'correction' as happened,
        0 as extra_cost
    from openings

)

select
    close_id,
    happened,
    pool,
    sum(extra_cost) as extra_cost,
    sum(columns('_change$'))
from parts
group by close_id, happened, pool
