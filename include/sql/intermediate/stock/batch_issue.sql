-- Pieces of variants with batches that the stock items of orders name, of orders for which the variant has left.
-- Grain: one row per account, order, variant, expiry, batch, lot and quality.
with

-- what an order only reserves has not left
issues as (

    select
        m.account,
        m.order_id,
        m.variant_id,
        cast(sum(m.quantity + m.damaged_quantity) as bigint) as issued_quantity,
        max(m.moved_at) as issued_at
    from marts.fct_stock_movement as m
    inner join intermediate.batch_variant as v
        on
            m.account = v.account
            and m.variant_id = v.variant_id
    where
        m.kind = 'dispatch'
        and m.direction = 'out'
    group by m.account, m.order_id, m.variant_id

),

items as (

    select
        i.account,
        i.order_id,
        i.variant_id,
        i.expiration,
        i.batch_number,
        i.lot_id,
        i.quality,
        cast(sum(i.quantity) as bigint) as quantity
    from staging.order_stock_items as i
    inner join intermediate.batch_variant as v
        on
            i.account = v.account
            and i.variant_id = v.variant_id
    where
        i._deleted_at is null
        and i.quantity <> 0
    group by i.account, i.order_id, i.variant_id, i.expiration, i.batch_number, i.lot_id, i.quality

)

select
    s.account,
    s.order_id,
    s.variant_id,
    i.expiration,
    i.batch_number,
    i.lot_id,
    i.quality,
    coalesce(cast(i.expiration as varchar), i.batch_number, i.lot_id) is null as is_nameless,
    coalesce(i.quantity, 0) as quantity,
    s.issued_quantity,
    s.issued_at
from issues as s
left join items as i
    on
        s.account = i.account
        and s.order_id = i.order_id
        and s.variant_id = i.variant_id
