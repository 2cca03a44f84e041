-- What of each variant was ordered, taken, issued and returned for an order, and what was to be issued.
-- Grain: one row per account, order and variant that was ordered or moved, or taken for a set.
with

lines as (

    select
        account,
        order_id,
        variant_id,
        quantity
    from marts.fct_order_line

),

taken_items as (

    select
        account,
        order_id,
        variant_id,
        sum(quantity) as quantity
    from staging.order_stock_items
    where _deleted_at is null
    group by account, order_id, variant_id

),

movements as (

    select
        m.account,
        m.order_id,
        m.variant_id,
        m.direction,
        m.quantity + m.damaged_quantity as pieces,
        coalesce(r.is_put_back, false) as is_put_back
    from marts.fct_stock_movement as m
    left join intermediate.order_return as r
        on
            m.account = r.account
            and m.movement_id = r.movement_id
    where m.order_id is not null

),

ordered as (

    select
        account,
        order_id,
        variant_id,
        sum(quantity) as quantity
    from lines
    where variant_id is not null
    group by account, order_id, variant_id

),

-- what a set holds is not known from the order: there the warehouse's own list of what it took stands in
sets as (

    select distinct
        account,
        order_id
    from lines
    where variant_id is null

),

moved as (

    select
        account,
        order_id,
        variant_id,
        -- less what was put back before the order was sent
        greatest(
            coalesce(sum(pieces) filter (where direction = 'out'), 0)
            - coalesce(sum(pieces) filter (where direction = 'in' and is_put_back), 0), 0
        ) as issued,
        sum(pieces) filter (where direction = 'in' and not is_put_back) as returned
    from movements
    group by account, order_id, variant_id

),

keys as (

    select
        account,
        order_id,
        variant_id
    from ordered
    union
    select
        account,
        order_id,
        variant_id
    from moved
    union
    select
        t.account,
        t.order_id,
        t.variant_id
    from taken_items as t
    inner join sets as s
        on
            t.account = s.account
            and t.order_id = s.order_id

)

select
    k.account,
    k.order_id,
    o.number,
    o.remote_number,
    o.created_date,
    o.status,
    o.stage,
    k.variant_id,
    s.order_id is not null as has_set,
    cast(coalesce(l.quantity, 0) as bigint) as ordered_quantity,
    cast(coalesce(t.quantity, 0) as bigint) as taken_quantity,
    cast(coalesce(m.issued, 0) as bigint) as issued_quantity,
    cast(coalesce(m.returned, 0) as bigint) as returned_quantity,
    case
        when o.status = 'cancelled' then 0
        when s.order_id is not null then taken_quantity
        else ordered_quantity
    end as expected_quantity
from keys as k
left join marts.fct_order as o
    on
        k.account = o.account
        and k.order_id = o.order_id
left join sets as s
    on
        k.account = s.account
        and k.order_id = s.order_id
left join ordered as l
    on
        k.account = l.account
        and k.order_id = l.order_id
        and k.variant_id = l.variant_id
left join taken_items as t
    on
        k.account = t.account
        and k.order_id = t.order_id
        and k.variant_id = t.variant_id
left join moved as m
    on
        k.account = m.account
        and k.order_id = m.order_id
        and k.variant_id = m.variant_id
