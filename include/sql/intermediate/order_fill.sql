-- How much of what was ordered left the warehouse.
-- Grain: one row per order and cycle in which anything left.
with

order_lines as (

    select
        k.order_no,
        c.variant_id,
        l.quantity
    from staging.order_lines as l
    inner join intermediate.order_key as k
        on
            l.account = k.account
            and l.order_id = k.order_id
    left join intermediate.variant_code as c
        on
            l.account = c.account
            and l.code = c.code
    where l._deleted_at is null

),

movements as (

    select
        order_no,
        cycle_no,
        variant_id,
        pieces
    from intermediate.order_movement
    where direction = 'out'

),

ordered as (

    select
        order_no,
        variant_id,
        sum(quantity) as pieces
    from order_lines
    group by order_no, variant_id

),

ordered_in_all as (

    select
        order_no,
        sum(pieces) as ordered_pieces,
        bool_or(variant_id is null) as has_unknown_variant
    from ordered
    group by order_no

),

issued as (

    select
        order_no,
        cycle_no,
        variant_id,
        sum(pieces) as pieces
    from movements
    group by order_no, cycle_no, variant_id

),

matched as (

    select
        i.order_no,
        i.cycle_no,
        sum(i.pieces) as issued_pieces,
        sum(least(i.pieces, coalesce(o.pieces, 0))) as filled_pieces
    from issued as i
    left join ordered as o
        on
            i.order_no = o.order_no
            and i.variant_id = o.variant_id
    group by i.order_no, i.cycle_no

)

select
    m.order_no,
    m.cycle_no,
    cast(o.ordered_pieces as bigint) as ordered_pieces,
    cast(m.issued_pieces as bigint) as issued_pieces,
    cast(m.filled_pieces as bigint) as filled_pieces,
    coalesce(o.has_unknown_variant, true) as has_unknown_variant,
    -- what a set holds is not known: pieces in all decide there, and nothing is said of in full
    case
        when coalesce(o.has_unknown_variant, true) then m.issued_pieces >= coalesce(o.ordered_pieces, 0)
        else m.filled_pieces = o.ordered_pieces
    end as is_complete,
    case
        when not coalesce(o.has_unknown_variant, true)
            then m.filled_pieces = o.ordered_pieces and m.issued_pieces = m.filled_pieces
    end as is_in_full
from matched as m
left join ordered_in_all as o
    on m.order_no = o.order_no
