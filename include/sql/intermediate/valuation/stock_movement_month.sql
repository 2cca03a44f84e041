-- What moved stock in a month as it is known now, closed or not, from opening to closing, by variant and pool.
-- Grain: one row per account, month, variant and pool that had stock or moved.
with

balances as (

    select
        account,
        variant_id,
        pool,
        valid_from,
        valid_to,
        quantity as closing_quantity,
        columns('^(\w+)_value$') as '\1_closing'
    from intermediate.stock_balance

),

flows as (

    select
        account,
        variant_id,
        pool,
        cast(date_trunc('month', date) as date) as month,
        case
            when side = 'settlement' then 'settlements'
            when side = 'issue' and kind = 'transformation' then 'transformations_out'
            when side = 'issue' then 'issues'
            when kind = 'transformation' then 'transformations_in'
            when kind = 'return' then 'returns'
            else 'receipts'
        end as flow,
        quantity,
        columns('_cost$')
    from intermediate.stock_flow

),

current_run as (

    select cast(date_trunc('month', as_of) as date) as this_month
    from meta.current_run

),

-- the last balance of a month closes it, and every month until the next balance
closings as (

    select
        b.* exclude (valid_from, valid_to),
        cast(
            unnest(
                generate_series(
                    date_trunc('month', b.valid_from),
                    greatest(
                        date_trunc('month', b.valid_from),
                        coalesce(date_trunc('month', b.valid_to) - interval 1 month, r.this_month)
                    ),
                    interval 1 month
                )
            ) as date
        ) as month,
        date_trunc('month', b.valid_from) as changed_month
    from balances as b
    cross join current_run as r
    where b.valid_to is null or date_trunc('month', b.valid_to) > date_trunc('month', b.valid_from)

),

-- no month is left out between the first and the last, so the closing before is that of the month before
opened as (

    select
        *,
        coalesce(lag(closing_quantity) over earlier, 0) as opening_quantity,
        coalesce(lag(columns('^(\w+)_closing$')) over earlier, 0) as '\1_opening'
    from closings
    window earlier as (partition by account, variant_id, pool order by month)

),

-- the flows of a month are added up before they are told apart: each sum of one kind looks at every row
month_flows as (

    select
        account,
        variant_id,
        pool,
        month,
        flow,
        sum(quantity) as quantity,
        sum(columns('_cost$'))
    from flows
    group by account, variant_id, pool, month, flow

),

moved as (

    select
        account,
        variant_id,
        pool,
        month,
        sum(quantity) filter (where flow = 'receipts') as receipts_quantity,
        sum(quantity) filter (where flow = 'returns') as returns_quantity,
        sum(quantity) filter (where flow = 'transformations_in') as transformations_in_quantity,
        sum(quantity) filter (where flow = 'issues') as issues_quantity,
        sum(quantity) filter (where flow = 'transformations_out') as transformations_out_quantity,
        sum(columns('^(\w+)_cost$')) filter (where flow = 'receipts') as '\1_receipts',
        sum(columns('^(\w+)_cost$')) filter (where flow = 'returns') as '\1_returns',
        sum(columns('^(\w+)_cost$')) filter (where flow = 'transformations_in') as '\1_transformations_in',
        sum(columns('^(\w+)_cost$')) filter (where flow = 'issues') as '\1_issues',
        sum(columns('^(\w+)_cost$')) filter (where flow = 'transformations_out') as '\1_transformations_out',
        sum(columns('^(\w+)_cost$')) filter (where flow = 'settlements') as '\1_settlements'
    from month_flows
    group by account, variant_id, pool, month

),

joined as (

    select
        o.*,
        coalesce(columns('(receipts|returns|transformations_in|issues|transformations_out|settlements)(_quantity)?$'), 0)
    from opened as o
    left join moved as m
        on
            o.account = m.account
            and o.variant_id = m.variant_id
            and o.pool = m.pool
            and o.month = m.month
    where
        -- nothing there and nothing moved
        o.month = o.changed_month
        or o.closing_quantity <> 0
        or o.fifo_landed_closing <> 0
        or o.average_landed_closing <> 0

)

select
    account,
    month,
    variant_id,
    pool,
    cast(columns('_quantity$') as bigint) as '\0',
    columns('_(landed|bare)_'),
    columns('^headline_(\w+)$') as '\1_value'
from joined
