-- What the journal books when a month is over.
-- Grain: one row per account, kind, month and pool.
with

closes as (

    select
        close_id,
        account,
        month,
        last_day
    from intermediate.closed_month

),

signed_lines as (

    select
        close_id,
        pool,
        coalesce(write_down, 0) as write_down,
        columns('^(fifo|average)_(landed|bare)_(opening|closing)$')
    from marts.fct_period_close_line

),

days as (

    select
        account,
        date,
        cast(date_trunc('month', date) as date) as month,
        columns('^(damaged_)?(fifo|average)_(landed|bare)_value$')
    from intermediate.stock_value_day
    where date = last_day(date)

),

current_run as (

    select cast(date_trunc('month', as_of) as date) as this_month
    from meta.current_run

),

-- what is known of the end of an open month, unless the next one was signed with another opening
known_ends as (

    select
        d.account,
        d.date,
        unnest(['sellable', 'damaged']) as pool,
        unnest([sum(d.fifo_landed_value), sum(d.damaged_fifo_landed_value)]) as fifo_landed,
        unnest([sum(d.fifo_bare_value), sum(d.damaged_fifo_bare_value)]) as fifo_bare,
        unnest([sum(d.average_landed_value), sum(d.damaged_average_landed_value)]) as average_landed,
        unnest([sum(d.average_bare_value), sum(d.damaged_average_bare_value)]) as average_bare
    from days as d
    cross join current_run as r
    anti join closes as c
        on
            d.account = c.account
            and d.month = c.month
    anti join closes as n
        on
            d.account = n.account
            and d.date + 1 = n.month
    where d.month < r.this_month
    group by d.account, d.date

),

-- both pools of each close, also one of which nothing was signed
signed as (

    select
        c.account,
        c.month,
        c.last_day,
        unnest(['sellable', 'damaged']) as pool,
        c.close_id
    from closes as c

),

totals as (

    select
        s.account,
        s.month,
        s.last_day,
        s.pool,
        coalesce(sum(columns('^(write_down|\w+_(opening|closing))$')), 0) as '\0'
    from signed as s
    left join signed_lines as l
        on
            s.close_id = l.close_id
            and s.pool = l.pool
    group by s.account, s.month, s.last_day, s.pool

),

signed_ends as (

    select
        account,
        last_day as date,
        pool,
        write_down,
        columns('^(\w+)_closing$') as '\1'
    from totals
    union all by name
    select
        t.account,
        t.month - 1 as date,
        t.pool,
        columns('^(\w+)_opening$') as '\1'
    from totals as t
    anti join closes as c
        on
            t.account = c.account
            and t.month = c.last_day + 1

),

ends as (

    select *
    from known_ends
    union all by name
    select *
    from signed_ends

),

-- nobody signs the write-down of an open month: it is that of the last closed one
months as (

    select
        account,
        date,
        'change_of_stock' as happened,
        pool,
        columns('_(landed|bare)$') - coalesce(lag(columns('_(landed|bare)$')) over earlier, 0) as '\0_change'
    from ends
    window earlier as (partition by account, pool order by date)
    union all by name
    select
        account,
        date,
        'write_down' as happened,
        pool,
        coalesce(lag(write_down) over signed_before, 0) - write_down as fifo_landed_change,
        fifo_landed_change as fifo_bare_change,
        fifo_landed_change as average_landed_change,
        fifo_landed_change as average_bare_change
    from signed_ends
    where write_down is not null
    window signed_before as (partition by account, pool order by date)

)

select
    account,
    date,
    happened,
    'month ' || strftime(date, '%Y-%m') as document,
    happened || ' ' || date || ' ' || pool as source_row,
    pool,
    0 as extra_cost,
    columns('_change$')
from months
