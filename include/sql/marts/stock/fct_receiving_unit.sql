-- Parcels of receivings as announced, and delivery units as stocked.
-- Grain: one row per account, receiving, kind and position.
select
    u.account,
    u.receiving_id,
    u.kind,
    u.unit_no,
    u.unit_id,
    u.size_id,
    u.is_closed,
    u.barcode,
    r.grn_number
from staging.receiving_delivery_units as u
inner join marts.fct_receiving as r
    on
        u.account = r.account
        and u.receiving_id = r.receiving_id
where u._deleted_at is null
