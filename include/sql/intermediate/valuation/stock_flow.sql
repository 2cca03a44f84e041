-- What came into a pool or left it, at cost, and what a shortage cost once the goods came in.
-- Grain: one row per account, movement, pool and side; of settlements one more per receipt.
with

settings as (

    select headline_method || '_' || headline_basis as headline
    from marts.dim_valuation_setting

),

flows as (

    select
        account,
        movement_id,
        variant_id,
        pool,
        'receipt' as side,
        moved_date as date,
        quantity,
        columns('_(landed|bare)_cost$')
    from marts.fct_receipt_cost
    union all by name
    select
        account,
        movement_id,
        variant_id,
        pool,
        'issue' as side,
        moved_date as date,
        quantity,
        missing_cost_quantity,
        average_missing_cost_quantity,
        columns('^(\w+_(landed|bare))_cogs$') as '\1_cost',
        columns('^(\w+_(landed|bare))_cogs_final$') as '\1_final'
    from marts.fct_issue_cost
    union all by name
    select
        account,
        issue_id as movement_id,
        receipt_id as settled_by_id,
        variant_id,
        pool,
        'settlement' as side,
        settled_date as date,
        0 as quantity,
        columns('^(\w+_(landed|bare))_settlement$') as '\1_cost'
    from marts.fct_cost_settlement

)

select
    f.*,
    m.kind,
    m.order_id,
    m.receiving_id,
    m.transformation_id,
    m.source_extra_cost as extra_unit_price,
    intermediate.headline(
        s.headline, f.fifo_landed_cost, f.fifo_bare_cost, f.average_landed_cost, f.average_bare_cost
    ) as headline_cost,
    intermediate.headline(
        s.headline, f.fifo_landed_final, f.fifo_bare_final, f.average_landed_final, f.average_bare_final
    ) as headline_final,
    intermediate.headline_quantity(
        s.headline, f.missing_cost_quantity, f.average_missing_cost_quantity
    ) as headline_missing_cost_quantity
from flows as f
cross join settings as s
inner join marts.fct_stock_movement as m
    on
        f.account = m.account
        and f.movement_id = m.movement_id
