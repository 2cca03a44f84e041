-- Earlier forms of movements, and movements that are gone.
-- Grain: one row per account, movement and form of it that is no longer in force.
with

current_run as (

    select
        as_of,
        zone
    from intermediate.run_now

),

versions as (

    select
        h.account,
        h.movement_id,
        h.variant_id,
        h.direction,
        h.order_id,
        h.receiving_id,
        h.transformation_id,
        h.unit_price,
        h.unit_extra_cost,
        h.quantity,
        h.damaged_quantity,
        staging.local_of(h.created_text, r.zone) as moved_at,
        h._version,
        h._valid_from,
        h._valid_to,
        h._in_first_load
    from staging.movements_history as h
    cross join current_run as r
    where
        h._valid_to is not null
        and coalesce(staging.local_of(h.created_text, r.zone) <= r.as_of, true)

)

select
    v.account,
    v.movement_id,
    v._version as version,
    v.variant_id,
    v.moved_at,
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
        when v._in_first_load then coalesce(cast(v.moved_at as date), cast(v._valid_from as date))
        else cast(v._valid_from as date)
    end as known_from,
    cast(v._valid_to as date) as known_to
from versions as v
cross join marts.dim_valuation_setting as s
