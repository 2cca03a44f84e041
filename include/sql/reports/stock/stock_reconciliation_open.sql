-- Differences between the latest stock of each account and its ledger.
-- Grain: one row per account, variant and pool that differ.
with

reconciliation as (

    select
        account,
        variant_id,
        pool,
        snapshot_date,
        snapshot_at,
        snapshot_quantity,
        ledger_quantity,
        quantity_diff,
        snapshot_unit_price,
        average_bare_unit_cost,
        average_landed_unit_cost,
        first_seen_date
    from marts.fct_stock_reconciliation

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
    r.pool,
    r.snapshot_date,
    r.snapshot_at,
    r.snapshot_quantity,
    r.ledger_quantity,
    r.quantity_diff,
    r.snapshot_unit_price,
    r.average_bare_unit_cost,
    r.average_landed_unit_cost,
    r.first_seen_date
from reconciliation as r
inner join latest as l
    on
        r.account = l.account
        and r.snapshot_date = l.snapshot_date
left join intermediate.current_variant as v
    on
        r.account = v.account
        and r.variant_id = v.variant_id
where r.quantity_diff <> 0
