-- Pieces on hand at the end of a local day by the receipt they came with, first in first out.
-- Grain: one row per account, receipt and pool with pieces left then.
with

-- before the receipts are joined: on most days nothing was taken later
taken_later as materialized (

    select
        a.account,
        a.receipt_id,
        a.variant_id,
        a.pool,
        a.quantity,
        a.unit_cost_bare,
        a.unit_cost_landed,
        a.bare_cost,
        a.landed_cost
    from marts.fct_cost_allocation as a
    inner join marts.fct_issue_cost as i
        on
            a.account = i.account
            and a.issue_id = i.movement_id
            and a.pool = i.pool
    where i.moved_date > day

),

parts as (

    select
        account,
        receipt_id,
        variant_id,
        pool,
        cast(received_at as date) as received_date,
        quantity_left as quantity,
        unit_cost_bare,
        unit_cost_landed,
        bare_value,
        landed_value
    from marts.fct_stock_layer
    where received_at < day + interval 1 day
    union all
    -- what was taken later was there
    select
        a.account,
        a.receipt_id,
        a.variant_id,
        a.pool,
        r.moved_date as received_date,
        a.quantity,
        a.unit_cost_bare,
        a.unit_cost_landed,
        a.bare_cost as bare_value,
        a.landed_cost as landed_value
    from taken_later as a
    inner join marts.fct_receipt_cost as r
        on
            a.account = r.account
            and a.receipt_id = r.movement_id
            and a.pool = r.pool
    where r.moved_date <= day

)

select
    account,
    receipt_id,
    any_value(variant_id) as variant_id,
    pool,
    any_value(received_date) as received_date,
    cast(sum(quantity) as bigint) as quantity,
    any_value(unit_cost_bare) as unit_cost_bare,
    any_value(unit_cost_landed) as unit_cost_landed,
    sum(bare_value) as bare_value,
    sum(landed_value) as landed_value
from parts
group by account, receipt_id, pool
