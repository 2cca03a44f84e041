-- What happened to stock as lines of the general ledger, by the accounts of accounts.yml.
-- Grain: one row per account, source row, kind and line.
with

-- extra cost is booked beside what it came with
rules as (

    select
        kind,
        pool,
        debit_account,
        credit_account,
        raises_stock,
        stock_account,
        unnest(
            case when kind = 'extra_cost' then ['receipt', 'find', 'opening', 'transformation'] else [kind] end
        ) as happened
    from marts.dim_posting_rule

),

settings as (

    select
        headline_method,
        headline_basis,
        valuation_currency
    from marts.dim_valuation_setting

),

changes as (

    select
        account,
        date,
        happened,
        document,
        source_row,
        movement_id,
        variant_id,
        pool,
        extra_cost,
        columns('_change$')
    from intermediate.movement_change
    union all by name
    select
        account,
        date,
        happened,
        document,
        source_row,
        variant_id,
        pool,
        extra_cost,
        columns('_change$')
    from intermediate.close_change
    union all by name
    select
        account,
        date,
        happened,
        document,
        source_row,
        pool,
        extra_cost,
        columns('_change$')
    from intermediate.month_end_change

),

lines as (

    select
        kind,
        pool,
        happened,
        stock_account,
        unnest([1, 2]::bigint[]) as line_no,
        unnest([debit_account, credit_account]) as ledger_account,
        -- what raises stock stands on the side of stock, what lowers it on the other
        unnest([raises_stock, not raises_stock]) as follows_stock
    from rules

),

split as (

    select
        c.account,
        c.date,
        c.document,
        l.kind,
        l.line_no,
        l.ledger_account,
        l.ledger_account = l.stock_account as is_stock,
        l.follows_stock,
        c.pool,
        c.variant_id,
        c.movement_id,
        c.source_row,
        case when l.kind = 'extra_cost' then c.extra_cost else columns('^(\w+_landed)_change$') - c.extra_cost end as '\1',
        case when l.kind = 'extra_cost' then 0 else columns('^(\w+_bare)_change$') end as '\1'
    from changes as c
    inner join lines as l
        on
            c.happened = l.happened
            and c.pool = l.pool

),

amounts as (

    select
        * exclude (follows_stock, fifo_landed, fifo_bare, average_landed, average_bare),
        case when follows_stock then columns('_(landed|bare)$') else -columns('_(landed|bare)$') end as '\0_amount'
    from split
    where
        average_landed <> 0
        or average_bare <> 0
        or fifo_landed <> 0
        or fifo_bare <> 0

),

headlines as (

    select
        a.*,
        s.headline_method as method,
        s.headline_basis as basis,
        s.valuation_currency as currency,
        intermediate.headline(
            s.headline_method || '_' || s.headline_basis,
            a.fifo_landed_amount,
            a.fifo_bare_amount,
            a.average_landed_amount,
            a.average_bare_amount
        ) as amount
    from amounts as a
    cross join settings as s

)

select
    * exclude (amount),
    greatest(amount, 0) as debit,
    greatest(-amount, 0) as credit
from headlines
