-- Whether every piece of a variant with batches is named, by its receivings and by the orders it left for.
-- Grain: one row per account and variant that has batches.
with

came as (

    select
        account,
        receiving_id,
        variant_id,
        sum(quantity) as quantity,
        bool_or(coalesce(cast(expiration as varchar), batch_number, lot_id) is null) as has_nameless
    from intermediate.batch_receipt
    group by account, receiving_id, variant_id

),

went as (

    select
        account,
        order_id,
        variant_id,
        sum(quantity) as quantity,
        any_value(issued_quantity) as issued_quantity,
        bool_or(coalesce(cast(expiration as varchar), batch_number, lot_id) is null) as has_nameless
    from intermediate.batch_issue
    group by account, order_id, variant_id

),

receipts as (

    select
        m.account,
        m.receiving_id,
        m.variant_id,
        sum(m.quantity + m.damaged_quantity) as quantity
    from marts.fct_stock_movement as m
    inner join intermediate.batch_variant as v
        on
            m.account = v.account
            and m.variant_id = v.variant_id
    where
        m.kind = 'receiving'
        and m.direction = 'in'
    group by m.account, m.receiving_id, m.variant_id

),

-- a return, a correction or a carton opened names no batch
other as (

    select distinct
        m.account,
        m.variant_id
    from marts.fct_stock_movement as m
    inner join intermediate.batch_variant as v
        on
            m.account = v.account
            and m.variant_id = v.variant_id
    where
        m.kind not in ('receiving', 'dispatch')
        and m.quantity + m.damaged_quantity > 0

),

doubts as (

    select
        coalesce(c.account, r.account) as account,
        coalesce(c.variant_id, r.variant_id) as variant_id
    from came as c
    full join receipts as r
        on
            c.account = r.account
            and c.receiving_id = r.receiving_id
            and c.variant_id = r.variant_id
    where
        coalesce(c.quantity, 0) <> coalesce(r.quantity, 0)
        or coalesce(c.has_nameless, false)
    union
    select
        account,
        variant_id
    from went
    where
        quantity <> issued_quantity
        or has_nameless
    union
    select
        account,
        variant_id
    from other

)

select
    v.account,
    v.variant_id,
    d.variant_id is null as is_named
from intermediate.batch_variant as v
left join doubts as d
    on
        v.account = d.account
        and v.variant_id = d.variant_id
