-- Batches: what came in of each, what left, and what is left of it.
-- Grain: one row per account, variant, expiry, batch, lot and quality; where one is not told it is NULL, and NULLs are equal.
with

current_run as (

    select as_of
    from intermediate.run_now

),

came as (

    select
        account,
        variant_id,
        expiration,
        batch_number,
        lot_id,
        quality,
        sum(quantity) as quantity,
        count(*) as receivings,
        min(received_date) as first_received_date,
        max(received_date) as last_received_date
    from intermediate.batch_receipt
    group by account, variant_id, expiration, batch_number, lot_id, quality

),

went as (

    select
        account,
        variant_id,
        expiration,
        batch_number,
        lot_id,
        quality,
        sum(quantity) as quantity,
        count(*) as orders,
        max(issued_at) as last_taken_at
    from intermediate.batch_issue
    where quantity <> 0
    group by account, variant_id, expiration, batch_number, lot_id, quality

),

batches as (

    select
        account,
        variant_id,
        expiration,
        batch_number,
        lot_id,
        quality,
        cast(sum(received_quantity) as bigint) as received_quantity,
        cast(sum(taken_quantity) as bigint) as taken_quantity,
        cast(sum(receivings) as bigint) as receivings,
        cast(sum(orders) as bigint) as orders,
        max(first_received_date) as first_received_date,
        max(last_received_date) as last_received_date,
        max(last_taken_at) as last_taken_at
    from (
        select
            *,
            quantity as received_quantity,
            0 as taken_quantity,
            0 as orders,
            cast(null as timestamp) as last_taken_at
        from came
        union all by name
        select
            *,
            0 as received_quantity,
            quantity as taken_quantity,
            0 as receivings
        from went
    )
    group by account, variant_id, expiration, batch_number, lot_id, quality

),

-- more taken of a batch than came of it: the two name the same pieces otherwise
judged as (

    select
        b.*,
        case when b.quality = 0 then n.nameless_damaged_quantity else n.nameless_quantity end as nameless_quantity,
        n.is_named
        and min(b.received_quantity - b.taken_quantity) over (partition by b.account, b.variant_id) >= 0 as is_exact
    from batches as b
    inner join intermediate.batch_named as n
        on
            b.account = n.account
            and b.variant_id = n.variant_id

)

select
    j.account,
    j.variant_id,
    j.expiration,
    j.batch_number,
    j.lot_id,
    j.quality,
    case
        when j.expiration is null then 'unknown'
        when j.expiration >= date '9999-01-01' then 'never'
        when j.expiration < cast(r.as_of as date) then 'expired'
        else 'ahead'
    end as expiry_state,
    j.received_quantity,
    j.taken_quantity,
    case when j.is_exact then j.received_quantity - j.taken_quantity else 0 end as left_quantity_least,
    case when j.is_exact then j.received_quantity - j.taken_quantity else j.received_quantity + j.nameless_quantity end
        as left_quantity_most,
    j.is_exact,
    j.nameless_quantity,
    j.receivings,
    j.orders,
    j.first_received_date,
    j.last_received_date,
    j.last_taken_at
from judged as j
cross join current_run as r
