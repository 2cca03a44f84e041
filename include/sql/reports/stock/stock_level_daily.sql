-- What was on hand, promised and free, day by day.
-- Grain: one row per account, night and category of today.
select
    s.account,
    s.snapshot_date as date,
    v.category_path,
    count(*) as variants,
    count(*) filter (where s.availability = 'oversold') as oversold_variants,
    count(*) filter (where s.availability = 'none') as sold_out_variants,
    count(*) filter (where s.availability = 'unknown') as unknown_variants,
    cast(sum(s.on_hand_quantity) as bigint) as on_hand_quantity,
    cast(sum(s.reserved_quantity) as bigint) as reserved_quantity,
    cast(sum(s.requested_quantity) as bigint) as requested_quantity,
    cast(sum(greatest(s.available_quantity, 0)) filter (where s.available_quantity is not null) as bigint) as available_quantity,
    cast(sum(s.oversold_quantity) as bigint) as oversold_quantity,
    cast(sum(s.held_quantity) as bigint) as held_quantity
from marts.fct_stock_level as s
left join intermediate.current_variant as v
    on
        s.account = v.account
        and s.variant_id = v.variant_id
group by s.account, s.snapshot_date, v.category_path
