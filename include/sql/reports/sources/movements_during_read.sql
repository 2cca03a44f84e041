-- Movements after the moment the latest stock was read: they are in the ledger and cannot be in that count.
-- Grain: one row per account and movement.
with

variants as (

    select
        account,
        variant_id,
        code,
        ext_code,
        product_name,
        variant_name,
        category_path
    from marts.dim_variant
    where is_current

),

movements as (

    select
        account,
        movement_id,
        variant_id,
        moved_at,
        direction,
        kind,
        order_id,
        quantity,
        damaged_quantity
    from marts.fct_stock_movement
    union all
    select
        account,
        movement_id,
        variant_id,
        moved_at,
        direction,
        kind,
        order_id,
        quantity,
        damaged_quantity
    from intermediate.later_movement

)

select
    m.account,
    m.movement_id,
    m.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    l.snapshot_at,
    m.moved_at,
    m.direction,
    m.kind,
    m.order_id,
    m.quantity,
    m.damaged_quantity
from movements as m
inner join intermediate.latest_count as l
    on
        m.account = l.account
        and m.moved_at > l.snapshot_at
        -- no reading takes a day; what is dated further on is in rows_after_as_of only
        and m.moved_at <= l.snapshot_at + interval 1 day
left join variants as v
    on
        m.account = v.account
        and m.variant_id = v.variant_id
