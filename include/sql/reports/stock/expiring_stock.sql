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

),

-- a piece may have been damaged since: of a batch no more is left than of the variant in all pools
on_hand as (

    select
        account,
        variant_id,
        sum(greatest(quantity, 0)) as quantity
    from balances
    group by account, variant_id

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
    cast(case
        when b.expiration < r.today then 1
        when b.expiration - r.today <= 30 then 2
        when b.expiration - r.today <= 60 then 3
        when b.expiration - r.today <= 90 then 4
        else 5
    end as bigint) as bucket_no,
    ['expired', 'within 30 days', 'within 60 days', 'within 90 days', 'later'][bucket_no] as expiry_bucket,
    b.left_quantity_least,
    cast(least(b.left_quantity_most, h.quantity) as bigint) as left_quantity_most,
    b.is_exact,
    b.first_received_date,
    s.quantity as pool_quantity,
    s.unit_cost,
    cast(s.unit_cost * b.left_quantity_least as decimal(38, 12)) as left_value_least,
    cast(s.unit_cost * least(b.left_quantity_most, h.quantity) as decimal(38, 12)) as left_value_most,
    -- the first to expire takes first of what is on hand: sums up to any day are then the most that can expire by it
    cast(
        least(b.left_quantity_most, greatest(0, h.quantity - coalesce(sum(b.left_quantity_most) over earlier, 0)))
        as bigint
    ) as addable_quantity_most,
    cast(s.unit_cost * addable_quantity_most as decimal(38, 12)) as addable_value_most
from batches as b
cross join current_run as r
inner join balances as s
    on
        b.account = s.account
        and b.variant_id = s.variant_id
        and b.pool = s.pool
inner join on_hand as h
    on
        b.account = h.account
        and b.variant_id = h.variant_id
left join intermediate.current_variant as v
    on
        b.account = v.account
        and b.variant_id = v.variant_id
where s.quantity > 0
window earlier as (
    partition by b.account, b.variant_id
    order by b.expiration, b.batch_number, b.lot_id, b.quality
    rows between unbounded preceding and 1 preceding
)
