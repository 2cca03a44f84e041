-- Cost of goods that left for orders, by month, variant and pool.
-- Grain: one row per account, month, variant and pool with a dispatch, a return, a settlement or a write-off.
with

flows as (

    select
        account,
        variant_id,
        pool,
        cast(date_trunc('month', date) as date) as month,
        case
            when side = 'receipt' then 'returned'
            when kind = 'correction' then 'written_off'
            when side = 'issue' then 'dispatched'
            else 'settlement'
        end as flow,
        quantity,
        extra_unit_price,
        columns('(missing_cost_quantity|_cost|_final)$')
    from intermediate.stock_flow
    where
        (side = 'receipt' and kind = 'return')
        or (side in ('issue', 'settlement') and kind in ('dispatch', 'correction'))

),

-- added up before they are told apart: each sum of one kind looks at every row
month_flows as (

    select
        account,
        month,
        variant_id,
        pool,
        flow,
        sum(quantity) as quantity,
        -- beyond these sizes the product leaves 38 digits
        sum(
            case
                when flow = 'returned' and abs(extra_unit_price) < 1000000000 and quantity < 1000000000
                    then cast(extra_unit_price * quantity as decimal(38, 12))
                else 0
            end
        ) as return_extra,
        sum(columns('(missing_cost_quantity|_cost|_final)$'))
    from flows
    group by account, month, variant_id, pool, flow

),

months as (

    select
        account,
        month,
        variant_id,
        pool,
        cast(coalesce(sum(quantity) filter (where flow = 'dispatched'), 0) as bigint) as dispatched_quantity,
        cast(coalesce(sum(quantity) filter (where flow = 'returned'), 0) as bigint) as returned_quantity,
        cast(coalesce(sum(quantity) filter (where flow = 'written_off'), 0) as bigint) as written_off_quantity,
        cast(coalesce(sum(columns('missing_cost_quantity$')) filter (where flow = 'dispatched'), 0) as bigint),
        sum(return_extra) as return_extra_cost,
        coalesce(sum(columns('^(\w+)_cost$')) filter (where flow = 'dispatched'), 0) as '\1_dispatched',
        coalesce(sum(columns('^(\w+)_cost$')) filter (where flow = 'settlement'), 0) as '\1_settlement',
        coalesce(sum(columns('^(\w+)_cost$')) filter (where flow = 'returned'), 0) as '\1_returned',
        coalesce(sum(columns('^(\w+)_cost$')) filter (where flow = 'written_off'), 0) as '\1_written_off',
        coalesce(sum(columns('^(\w+)_cost$')) filter (where flow in ('dispatched', 'settlement')), 0)
        - coalesce(sum(columns('^(\w+)_cost$')) filter (where flow = 'returned'), 0) as '\1_cogs',
        coalesce(sum(columns('^(\w+)_final$')) filter (where flow = 'dispatched'), 0) as '\1_cogs_final'
    from month_flows
    group by account, month, variant_id, pool

)

select
    * rename (
        headline_dispatched as dispatched_cost,
        headline_settlement as settlement,
        headline_returned as returned_cost,
        headline_written_off as written_off_cost,
        headline_cogs as cogs,
        headline_cogs_final as cogs_final
    )
from months
