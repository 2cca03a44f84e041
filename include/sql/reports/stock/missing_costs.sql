-- Movements whose cost nobody knows.
-- Grain: one row per account and movement.
with

movements as (

    select
        account,
        movement_id,
        variant_id,
        moved_at,
        direction,
        kind,
        order_id,
        receiving_id,
        quantity,
        damaged_quantity
    from marts.fct_stock_movement
    where cost_source = 'missing'

),

on_hand as (

    select
        account,
        variant_id,
        sum(missing_cost_quantity) as missing_cost_quantity,
        sum(average_missing_cost_quantity) as average_missing_cost_quantity
    from marts.fct_stock_balance
    where valid_to is null
    group by account, variant_id

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
    m.moved_at,
    m.direction,
    m.kind,
    m.order_id,
    m.receiving_id,
    m.quantity,
    m.damaged_quantity,
    cast(coalesce(h.missing_cost_quantity, 0) as bigint) as missing_on_hand_quantity,
    cast(coalesce(h.average_missing_cost_quantity, 0) as bigint) as average_missing_on_hand_quantity
from movements as m
left join on_hand as h
    on
        m.account = h.account
        and m.variant_id = h.variant_id
left join intermediate.current_variant as v
    on
        m.account = v.account
        and m.variant_id = v.variant_id
