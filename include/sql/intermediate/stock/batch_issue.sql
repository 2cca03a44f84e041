-- Pieces of variants with batches that the stock items of orders name, of orders for which the variant has left: by the
-- ledger, or by the order's own word where the ledger's row is not written yet.
-- Grain: one row per account, order, variant, expiry, batch, lot and quality.
with

packed as (

    select
        account,
        order_id
    from marts.fct_order
    where status in ('packed', 'sent', 'delivered', 'returned')

),

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

),

-- all that is known of them is what they name
unwritten as (

    select
        i.account,
        i.order_id,
        i.variant_id,
        cast(sum(i.quantity) as bigint) as issued_quantity,
        cast(null as timestamp) as issued_at
    from items as i
    semi join packed as p
        on
            i.account = p.account
            and i.order_id = p.order_id
    anti join issues as s
        on
            i.account = s.account
            and i.order_id = s.order_id
            and i.variant_id = s.variant_id
    group by i.account, i.order_id, i.variant_id

),

gone as (

    select * from issues
    union all by name
    select * from unwritten

)

select
    g.account,
    g.order_id,
    g.variant_id,
    i.expiration,
    i.batch_number,
    i.lot_id,
    i.quality,
    coalesce(cast(i.expiration as varchar), i.batch_number, i.lot_id) is null as is_nameless,
    coalesce(i.quantity, 0) as quantity,
    g.issued_quantity,
    g.issued_at
from gone as g
left join items as i
    on
        g.account = i.account
        and g.order_id = i.order_id
        and g.variant_id = i.variant_id
