-- What moved stock in a month, as the books show it while the month is open: from what was signed of the month before.
-- Grain: one row per account, month, variant and pool that had stock, moved or is corrected.
with

closes as (

    select
        account,
        close_id,
        next_month as month
    from intermediate.closed_month

),

months as (

    select *
    from intermediate.stock_movement_month

),

signed_lines as (

    select
        close_id,
        variant_id,
        pool,
        closing_quantity,
        closing_value,
        columns('_closing$')
    from marts.fct_period_close_line
    where
        closing_quantity <> 0
        or fifo_landed_closing <> 0
        or average_landed_closing <> 0

),

followed as (

    select *
    from months
    semi join closes using (account, month)

),

-- the opening that is known now gives way to the one that was signed; what is between them is corrected
parts as (

    select *
    from followed
    union all by name
    select
        account,
        month,
        variant_id,
        pool,
        -opening_quantity as opening_quantity,
        opening_quantity as corrections_quantity,
        -columns('^(\w+)_opening$') as '\1_opening',
        columns('^(\w+)_opening$') as '\1_corrections',
        -opening_value as opening_value,
        opening_value as corrections_value
    from followed
    union all by name
    select
        c.account,
        c.month,
        l.variant_id,
        l.pool,
        l.closing_quantity as opening_quantity,
        -l.closing_quantity as corrections_quantity,
        columns('^(\w+)_closing$') as '\1_opening',
        -columns('^(\w+)_closing$') as '\1_corrections',
        l.closing_value as opening_value,
        -l.closing_value as corrections_value
    from signed_lines as l
    inner join closes as c on l.close_id = c.close_id

),

corrected as (

    select
        account,
        month,
        variant_id,
        pool,
        cast(sum(columns('_quantity$')) as bigint) as '\0',
        sum(columns('_(landed|bare)_')) as '\0',
        sum(columns('_value$')) as '\0'
    from parts
    group by account, month, variant_id, pool

),

all_months as (

    select *
    from months
    anti join closes using (account, month)
    union all by name
    select *
    from corrected

)

select
    account,
    month,
    variant_id,
    pool,
    cast(coalesce(columns('_quantity$'), 0) as bigint) as '\0',
    coalesce(columns('_(landed|bare)_'), 0) as '\0',
    coalesce(columns('_value$'), 0) as '\0'
from all_months
