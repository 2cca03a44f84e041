-- Pieces of variants with batches that the stock items of receivings name.
-- Grain: one row per account, receiving, variant, expiry, batch, lot and quality.
with

current_run as (

    select as_of
    from intermediate.run_now

),

items as (

    select
        i.account,
        i.receiving_id,
        i.variant_id,
        i.expiration,
        i.batch_number,
        i.lot_id,
        i.quality,
        cast(sum(i.received_quantity) as bigint) as quantity
    from staging.receiving_stock_items as i
    inner join intermediate.batch_variant as v
        on
            i.account = v.account
            and i.variant_id = v.variant_id
    where
        i._deleted_at is null
        and i.received_quantity <> 0
    group by i.account, i.receiving_id, i.variant_id, i.expiration, i.batch_number, i.lot_id, i.quality

)

select
    i.account,
    i.receiving_id,
    i.variant_id,
    i.expiration,
    i.batch_number,
    i.lot_id,
    i.quality,
    coalesce(cast(i.expiration as varchar), i.batch_number, i.lot_id) is null as is_nameless,
    i.quantity,
    h.received_date
from items as i
inner join staging.receivings as h
    on
        i.account = h.account
        and i.receiving_id = h.receiving_id
cross join current_run as r
where
    h._deleted_at is null
    -- goods that came later than now have not come
    and coalesce(h.received_date <= cast(r.as_of as date), true)
