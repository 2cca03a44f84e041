-- Pieces of expired batches at the end of a local day, at least and at most.
-- Grain: one row per account, variant and pool with batches that had expired by then.
with

variants as (

    select
        account,
        variant_id,
        bool_and(is_exact) as is_exact,
        max(nameless_quantity) filter (where quality is distinct from 0) as nameless_quantity,
        max(nameless_quantity) filter (where quality = 0) as nameless_damaged_quantity
    from marts.fct_stock_batch
    group by account, variant_id

),

moved as (

    select
        account,
        variant_id,
        quality,
        quantity as received_quantity,
        0 as taken_quantity
    from intermediate.batch_receipt
    where
        expiration < day
        and coalesce(received_date <= day, true)
    union all
    select
        account,
        variant_id,
        quality,
        0 as received_quantity,
        quantity as taken_quantity
    from intermediate.batch_issue
    where
        expiration < day
        and coalesce(issued_at < day + interval 1 day, true)

),

expired as (

    select
        account,
        variant_id,
        case when quality = 0 then 'damaged' else 'sellable' end as pool,
        sum(received_quantity) as received_quantity,
        sum(taken_quantity) as taken_quantity
    from moved
    group by account, variant_id, pool

),

-- a sound piece may have broken since: where pieces are not told apart, they may be of either pool
pools as (

    select
        account,
        variant_id,
        unnest(['sellable', 'damaged']) as pool,
        sum(received_quantity) as received_quantity
    from expired
    group by account, variant_id

)

select
    p.account,
    p.variant_id,
    p.pool,
    cast(case when v.is_exact then greatest(e.received_quantity - e.taken_quantity, 0) else 0 end as bigint)
        as quantity_least,
    cast(
        case
            when v.is_exact then greatest(e.received_quantity - e.taken_quantity, 0)
            else p.received_quantity + coalesce(v.nameless_quantity, 0) + coalesce(v.nameless_damaged_quantity, 0)
        end as bigint
    ) as quantity_most
from pools as p
inner join variants as v
    on
        p.account = v.account
        and p.variant_id = v.variant_id
left join expired as e
    on
        p.account = e.account
        and p.variant_id = e.variant_id
        and p.pool = e.pool
