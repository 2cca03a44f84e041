-- Batches that expire or have expired, and what of them may still be there.
-- Grain: one row per account, variant, expiry, batch, lot and quality that has a date and may be left.
with

current_run as (

    select cast(as_of as date) as today
    from meta.current_run

),

batches as (

    select
        account,
        variant_id,
        expiration,
        batch_number,
        lot_id,
        quality,
        expiry_state,
        left_quantity_least,
        left_quantity_most,
        is_exact,
        first_received_date,
        case when quality = 0 then 'damaged' else 'sellable' end as pool
    from marts.fct_stock_batch
    where
        expiry_state in ('expired', 'ahead')
        and left_quantity_most > 0

),

balances as (

    select
        account,
        variant_id,
        pool,
        quantity,
        case when average_missing_cost_quantity = 0 then average_landed_unit_cost end as unit_cost
    from marts.fct_stock_balance
    where valid_to is null

)

select
    b.account,
    b.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    b.expiration,
    b.batch_number,
    b.lot_id,
    b.quality,
    b.expiration - r.today as days_left,
    case
        when b.expiration < r.today then 1
        when b.expiration - r.today <= 30 then 2
        when b.expiration - r.today <= 60 then 3
        when b.expiration - r.today <= 90 then 4
        else 5
    end as bucket_no,
    ['expired', 'within 30 days', 'within 60 days', 'within 90 days', 'later'][bucket_no] as expiry_bucket,
    b.left_quantity_least,
    b.left_quantity_most,
    b.is_exact,
    b.first_received_date,
    s.quantity as pool_quantity,
    s.unit_cost,
    cast(s.unit_cost * b.left_quantity_least as decimal(38, 12)) as left_value_least,
    cast(s.unit_cost * b.left_quantity_most as decimal(38, 12)) as left_value_most
from batches as b
cross join current_run as r
inner join balances as s
    on
        b.account = s.account
        and b.variant_id = s.variant_id
        and b.pool = s.pool
left join intermediate.current_variant as v
    on
        b.account = v.account
        and b.variant_id = v.variant_id
where s.quantity > 0
