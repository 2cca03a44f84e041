-- Which cost the warehouse's own prices are, of the stock list and of issues: how many of them each figure meets.
-- Grain: one row per account, assumption and reading.
with

counts as (

    select
        account,
        variant_id,
        snapshot_date,
        snapshot_unit_price
    from marts.fct_stock_reconciliation
    where
        pool = 'sellable'
        and quantity_diff = 0
        and abs(snapshot_unit_price) < 1000000000

),

balances as (

    select
        account,
        variant_id,
        valid_from,
        valid_to,
        quantity,
        fifo_landed_value,
        fifo_bare_value,
        average_landed_value,
        average_bare_value
    from marts.fct_stock_balance
    where
        pool = 'sellable'
        and quantity between 1 and 1000000000

),

issues as (

    select
        account,
        source_unit_price,
        fifo_landed_unit_cost,
        fifo_bare_unit_cost,
        average_landed_unit_cost,
        average_bare_unit_cost
    from marts.fct_stock_movement
    where
        direction = 'out'
        and source_unit_price is not null
        and average_bare_unit_cost is not null

),

priced_stock as (

    select
        c.account,
        cast(c.snapshot_unit_price * b.quantity as decimal(38, 12)) as source_value,
        b.quantity,
        b.fifo_landed_value,
        b.fifo_bare_value,
        b.average_landed_value,
        b.average_bare_value
    from counts as c
    inner join intermediate.latest_count as l
        on
            c.account = l.account
            and c.snapshot_date = l.snapshot_date
    inner join balances as b
        on
            c.account = b.account
            and c.variant_id = b.variant_id
            and b.valid_from <= c.snapshot_date
            and (b.valid_to is null or b.valid_to > c.snapshot_date)

),

-- within a hundredth a piece: the warehouse may round
compared as (

    select
        account,
        'price_per_unit of the stock list' as assumption,
        count(*) as compared,
        count(*) filter (where abs(source_value - fifo_landed_value) < 0.01 * quantity) as fifo_landed,
        count(*) filter (where abs(source_value - fifo_bare_value) < 0.01 * quantity) as fifo_bare,
        count(*) filter (where abs(source_value - average_landed_value) < 0.01 * quantity) as average_landed,
        count(*) filter (where abs(source_value - average_bare_value) < 0.01 * quantity) as average_bare
    from priced_stock
    group by account
    union all
    select
        account,
        'price_per_unit of issues',
        count(*),
        count(*) filter (where abs(source_unit_price - fifo_landed_unit_cost) < 0.01),
        count(*) filter (where abs(source_unit_price - fifo_bare_unit_cost) < 0.01),
        count(*) filter (where abs(source_unit_price - average_landed_unit_cost) < 0.01),
        count(*) filter (where abs(source_unit_price - average_bare_unit_cost) < 0.01)
    from issues
    group by account

)

select
    account,
    assumption,
    unnest(['fifo, landed', 'fifo, bare', 'average, landed', 'average, bare']) as reading,
    compared,
    unnest([fifo_landed, fifo_bare, average_landed, average_bare]) as agreeing
from compared
