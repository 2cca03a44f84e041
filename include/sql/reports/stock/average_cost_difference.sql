-- The warehouse's own price of a piece beside our averages, at the latest snapshot.
-- Grain: one row per account and variant with both.
with

reconciliation as (

    select
        account,
        variant_id,
        snapshot_date,
        snapshot_quantity,
        quantity_diff,
        snapshot_unit_price,
        average_bare_unit_cost,
        average_landed_unit_cost
    from marts.fct_stock_reconciliation
    where pool = 'sellable'

),

latest as (

    select
        account,
        max(snapshot_date) as snapshot_date
    from reconciliation
    group by account

)

select
    r.account,
    r.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    r.snapshot_date,
    r.snapshot_quantity,
    r.quantity_diff,
    r.snapshot_unit_price,
    r.average_bare_unit_cost,
    r.average_landed_unit_cost,
    r.snapshot_unit_price - r.average_bare_unit_cost as bare_diff,
    r.snapshot_unit_price - r.average_landed_unit_cost as landed_diff,
    case
        when abs(r.snapshot_unit_price - r.average_bare_unit_cost) < 0.01
            then case when abs(r.snapshot_unit_price - r.average_landed_unit_cost) < 0.01 then 'both' else 'bare' end
        when abs(r.snapshot_unit_price - r.average_landed_unit_cost) < 0.01 then 'landed'
        else 'neither'
    end as agrees_with
from reconciliation as r
inner join latest as l
    on
        r.account = l.account
        and r.snapshot_date = l.snapshot_date
left join intermediate.current_variant as v
    on
        r.account = v.account
        and r.variant_id = v.variant_id
where
    r.snapshot_unit_price is not null
    and r.average_bare_unit_cost is not null
