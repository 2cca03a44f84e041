-- Who got pieces of a batch, who may have got some, and what may be left.
-- Grain: one row per account, variant, expiry, lot and quality of the batch, part and order.
with

batches as (

    select
        account,
        variant_id,
        expiration,
        batch_number,
        lot_id,
        quality,
        received_quantity,
        nameless_quantity,
        left_quantity_least,
        left_quantity_most,
        first_received_date
    from marts.fct_stock_batch
    where batch_number = staging.bare_of(batch)

),

issues as (

    select
        account,
        order_id,
        variant_id,
        expiration,
        batch_number,
        lot_id,
        quality,
        quantity,
        issued_quantity,
        issued_at,
        sum(quantity) over (partition by account, order_id, variant_id) as named_quantity
    from intermediate.batch_issue

),

taken as (

    select
        b.*,
        'taken' as part,
        i.order_id,
        i.issued_at,
        i.quantity as pieces_least,
        i.quantity as pieces_most
    from batches as b
    inner join issues as i
        on
            b.account = i.account
            and b.variant_id = i.variant_id
            and b.batch_number = i.batch_number
            and b.expiration is not distinct from i.expiration
            and b.lot_id is not distinct from i.lot_id
            and b.quality is not distinct from i.quality
    where i.quantity > 0

),

-- pieces of the variant that left without the name of a batch, once the first of this one had come
nameless as (

    select
        account,
        order_id,
        variant_id,
        max(issued_at) as issued_at,
        coalesce(sum(quantity) filter (where batch_number is null), 0)
        + greatest(any_value(issued_quantity) - any_value(named_quantity), 0) as pieces
    from issues
    group by account, order_id, variant_id

),

perhaps as (

    select
        b.*,
        'perhaps' as part,
        n.order_id,
        n.issued_at,
        0 as pieces_least,
        least(n.pieces, b.came_at_most) as pieces_most
    from (
        select
            account,
            variant_id,
            cast(null as date) as expiration,
            batch_number,
            cast(null as varchar) as lot_id,
            cast(null as bigint) as quality,
            -- a piece without a name may have come before those that have one
            case when max(nameless_quantity) = 0 then min(first_received_date) end as first_received_date,
            sum(received_quantity) + max(nameless_quantity) as came_at_most
        from batches
        group by account, variant_id, batch_number
    ) as b
    inner join nameless as n
        on
            b.account = n.account
            and b.variant_id = n.variant_id
    where
        n.pieces > 0
        and coalesce(cast(n.issued_at as date) >= b.first_received_date, true)

),

remaining as (

    select
        *,
        'left' as part,
        cast(null as varchar) as order_id,
        left_quantity_least as pieces_least,
        left_quantity_most as pieces_most
    from batches

),

parts as (

    select *
    from taken
    union all by name
    select *
    from perhaps
    union all by name
    select *
    from remaining

)

select
    p.account,
    p.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    p.batch_number,
    p.expiration,
    p.lot_id,
    p.quality,
    p.part,
    p.order_id,
    o.number,
    o.remote_number,
    o.recipient_key,
    p.issued_at,
    cast(p.pieces_least as bigint) as pieces_least,
    cast(p.pieces_most as bigint) as pieces_most
from parts as p
left join marts.fct_order as o
    on
        p.account = o.account
        and p.order_id = o.order_id
left join intermediate.current_variant as v
    on
        p.account = v.account
        and p.variant_id = v.variant_id
