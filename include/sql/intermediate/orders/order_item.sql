-- What the warehouse says it took for an order: its stock items, and what it packed.
-- Grain: one row per account, order and item.
with

-- read in place each time, never copied
items as not materialized (

    select
        account,
        order_id,
        code,
        variant_id,
        quantity,
        false as is_packed
    from staging.order_stock_items
    where _deleted_at is null
    union all
    select
        account,
        order_id,
        code,
        variant_id,
        quantity,
        true as is_packed
    from staging.order_packages
    where _deleted_at is null

)

select *
from items
