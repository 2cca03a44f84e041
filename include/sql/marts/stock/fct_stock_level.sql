-- What the warehouse counted of each variant every night: on hand, promised and free.
-- Grain: one row per account, variant and night.
with

current_run as (

    select as_of
    from intermediate.run_now

)

-- what a later run counted is not known to a run dated before it
select
    s.account,
    s.variant_id,
    s.snapshot_date,
    s.snapshot_at,
    s.quantity as on_hand_quantity,
    s.damaged_quantity,
    s.reserved_quantity,
    s.requested_quantity,
    s.available_quantity,
    case
        when s.available_quantity is null then 'unknown'
        when s.available_quantity < 0 then 'oversold'
        when s.available_quantity = 0 then 'none'
        else 'available'
    end as availability,
    case when s.available_quantity is not null then greatest(-s.available_quantity, 0) end as oversold_quantity,
    case
        when s.available_quantity is not null
            then greatest(s.quantity - greatest(s.available_quantity, 0), 0)
    end as held_quantity,
    coalesce(s.reserved_quantity > s.quantity, false) as is_reserved_above_stock,
    s.mastercase_quantity,
    s.mastercase_available_quantity,
    s.unit_price as source_unit_price
from staging.stock_levels as s
cross join current_run as r
where
    s._deleted_at is null
    and coalesce(s._first_seen_at <= r.as_of, true)
