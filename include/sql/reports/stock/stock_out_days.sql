-- Days on which nothing of a variant was available, and an estimate of the pieces that were not sold because of it.
-- Grain: one row per account, variant and day.
with

out_nights as (

    select
        account,
        variant_id,
        snapshot_date,
        out_since
    from intermediate.stock_out

),

-- the pace before the goods ran out: afterwards there is none
paces as (

    select
        o.account,
        o.variant_id,
        o.out_since,
        cast(sum(d.quantity) as bigint) as dispatched_quantity_28d
    from (
        select distinct
            account,
            variant_id,
            out_since
        from out_nights
    ) as o
    inner join intermediate.dispatched_day as d
        on
            o.account = d.account
            and o.variant_id = d.variant_id
            and d.date >= o.out_since - 28
            and d.date < o.out_since
    group by o.account, o.variant_id, o.out_since

)

select
    o.account,
    o.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    o.snapshot_date as date,
    o.out_since,
    l.on_hand_quantity,
    l.available_quantity,
    l.requested_quantity,
    coalesce(p.dispatched_quantity_28d, 0) as dispatched_quantity_28d,
    -- exact, so that sums are the same in whatever order
    cast(coalesce(p.dispatched_quantity_28d, 0) / 28.0 as decimal(18, 6)) as lost_pieces_estimate
from out_nights as o
inner join marts.fct_stock_level as l
    on
        o.account = l.account
        and o.variant_id = l.variant_id
        and o.snapshot_date = l.snapshot_date
left join paces as p
    on
        o.account = p.account
        and o.variant_id = p.variant_id
        and o.out_since = p.out_since
left join intermediate.current_variant as v
    on
        o.account = v.account
        and o.variant_id = v.variant_id
