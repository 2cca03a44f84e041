-- What movements and settlements changed of the value of stock, as the journal books it.
-- Grain: one row per account, source row and kind.
with

flows as (

    select
        account,
        date,
        movement_id,
        settled_by_id,
        variant_id,
        pool,
        side,
        kind,
        order_id,
        receiving_id,
        transformation_id,
        quantity,
        extra_unit_price,
        columns('^\w+_(landed|bare)_cost$')
    from intermediate.stock_flow

)

select
    account,
    date,
    case
        when kind in ('transformation', 'opening') then kind
        when side = 'receipt' and kind = 'return' then 'return'
        when side = 'receipt' and kind = 'correction' then 'find'
        when side = 'receipt' then 'receipt'
        when kind = 'correction' then 'damage'
        when side = 'settlement' then 'settlement'
        else 'cost_of_goods'
    end as happened,
    side,
    case
        when order_id is not null then 'order ' || order_id
        when receiving_id is not null then 'receiving ' || receiving_id
        when transformation_id is not null then 'transformation ' || transformation_id
        when kind = 'opening' then 'opening ' || variant_id
        else 'movement ' || movement_id
    end as document,
    case side
        when 'receipt' then 'fct_receipt_cost ' || movement_id
        when 'issue' then 'fct_issue_cost ' || movement_id
        else 'fct_cost_settlement ' || movement_id || ' ' || settled_by_id
    end || ' ' || pool as source_row,
    movement_id,
    variant_id,
    pool,
    case
        when side <> 'receipt' or kind = 'return' then 0
        -- goods that were made of others cost more landed than bare by more than their own extra cost. Beyond these
        -- sizes the product leaves 38 digits
        when kind = 'transformation' and abs(extra_unit_price) < 1000000000 and quantity < 1000000000
            then cast(extra_unit_price * quantity as decimal(38, 12))
        when kind = 'transformation' then 0
        else fifo_landed_cost - fifo_bare_cost
    end as extra_cost,
    case when side = 'receipt' then columns('^(\w+)_cost$') else -columns('^(\w+)_cost$') end as '\1_change'
from flows
