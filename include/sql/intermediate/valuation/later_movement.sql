-- Movements the source dates later than now: in no figure of today until their time has come.
-- Grain: one row per account and movement.
with

current_run as (

    select as_of
    from intermediate.run_now

),

received as (

    select
        m.account,
        m.movement_id,
        m.variant_id,
        m.created_at,
        m.direction,
        nullif(m.order_id, '') as order_id,
        m.receiving_id,
        m.transformation_id,
        case
            when s.damaged_quantity_is_additive then m.quantity
            else m.quantity - m.damaged_quantity
        end as quantity,
        m.damaged_quantity
    from staging.movements as m
    cross join marts.dim_valuation_setting as s
    cross join current_run as r
    where
        m._deleted_at is null
        -- all others are past in any reading of the repeated hour
        and m.created_at > r.as_of - interval 1 hour

)

select
    m.account,
    m.movement_id,
    m.variant_id,
    m.created_at as moved_at,
    m.direction,
    case
        when m.order_id is not null and m.direction = 'in' then 'return'
        when m.order_id is not null then 'dispatch'
        when m.transformation_id is not null then 'transformation'
        when m.receiving_id is not null and m.direction = 'in' then 'receiving'
        else 'correction'
    end as kind,
    m.order_id,
    m.receiving_id,
    m.transformation_id,
    m.quantity,
    m.damaged_quantity
from received as m
anti join marts.fct_stock_movement as v
    on
        m.account = v.account
        and m.movement_id = v.movement_id
