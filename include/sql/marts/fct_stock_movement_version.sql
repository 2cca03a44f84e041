-- Earlier forms of movements, and movements that are gone.
-- Grain: one row per account, movement and form of it that is no longer in force.
with

versions as (

    select
        account,
        movement_id,
        variant_id,
        direction,
        order_id,
        receiving_id,
        transformation_id,
        unit_price,
        unit_extra_cost,
        quantity,
        damaged_quantity,
        created_text,
        _version,
        _valid_from,
        _valid_to,
        _in_first_load
    from staging.movements_history
    where _valid_to is not null

),

settings as (

    select damaged_quantity_is_additive
    from marts.dim_valuation_setting

)

select
    v.account,
    v.movement_id,
    v._version as version,
    v.variant_id,
    try_cast(v.created_text as timestamp) as moved_at,
    v.direction,
    v.order_id,
    v.receiving_id,
    v.transformation_id,
    case
        when s.damaged_quantity_is_additive then v.quantity
        else v.quantity - v.damaged_quantity
    end as quantity,
    v.damaged_quantity,
    v.unit_price as source_unit_price,
    v.unit_extra_cost as source_extra_cost,
    case
        when v._in_first_load then coalesce(try_cast(v.created_text as date), cast(v._valid_from as date))
        else cast(v._valid_from as date)
    end as known_from,
    cast(v._valid_to as date) as known_to
from versions as v
cross join settings as s
