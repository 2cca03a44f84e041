-- Variants whose pieces are told apart by expiry, batch or lot: a stock item named one, or the catalogue tracks them.
-- Grain: one row per account and variant.
with

tracked as (

    select
        account,
        variant_id
    from staging.variants
    where
        _deleted_at is null
        and (tracks_expiration or tracks_batch or tracks_lot)

),

named as (

    select
        account,
        variant_id
    from staging.receiving_stock_items
    where
        _deleted_at is null
        and coalesce(cast(expiration as varchar), batch_number, lot_id) is not null
    union
    select
        account,
        variant_id
    from staging.order_stock_items
    where
        _deleted_at is null
        and coalesce(cast(expiration as varchar), batch_number, lot_id) is not null

)

select
    account,
    variant_id
from named
union
select
    account,
    variant_id
from tracked
