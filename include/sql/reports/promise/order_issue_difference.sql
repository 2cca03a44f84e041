-- Orders from which something else left than was ordered.
-- Grain: one row per account, order and variant that differ.
with

variants as (

    select
        account,
        variant_id,
        code,
        ext_code,
        product_name,
        variant_name
    from marts.dim_variant
    where is_current

)

select
    i.account,
    i.order_id,
    i.number,
    i.remote_number,
    i.created_date,
    i.status,
    i.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    i.has_set,
    cast(i.ordered_quantity as bigint) as ordered_quantity,
    cast(i.taken_quantity as bigint) as taken_quantity,
    cast(i.issued_quantity as bigint) as issued_quantity,
    cast(i.returned_quantity as bigint) as returned_quantity,
    cast(i.issued_quantity - i.expected_quantity as bigint) as difference,
    case
        when i.status is null then 'order not known'
        when i.status = 'cancelled' then 'left a cancelled order'
        when i.ordered_quantity = 0 and not i.has_set then 'not ordered'
        when i.issued_quantity = 0 then 'never left'
        when i.issued_quantity < i.expected_quantity then 'too few'
        else 'too many'
    end as reason
from intermediate.order_issue as i
left join variants as v
    on
        i.account = v.account
        and i.variant_id = v.variant_id
where
    -- a restored order leaves, comes back and leaves again
    i.issued_quantity <> i.expected_quantity
    and i.issued_quantity - i.returned_quantity <> i.expected_quantity
    -- until an order has left, only too much of something is a difference
    and (
        i.status is null
        or i.status = 'cancelled'
        or i.stage in ('carrier', 'closed')
        or i.issued_quantity > i.expected_quantity
    )
