-- How much of what was ordered left the warehouse, and when.
-- Grain: one row per order and cycle in which anything left.
with

by_variant as not materialized (

    select
        order_no,
        cycle_no,
        variant_id,
        ordered_pieces,
        issued_pieces,
        first_out_at_utc,
        last_out_at_utc
    from intermediate.order_variant

),

-- few lines
nameless as (

    select
        order_no,
        min(unknown_reason) as unknown_reason
    from intermediate.order_line_meaning
    group by order_no

),

in_all as (

    select
        order_no,
        cycle_no,
        cast(sum(ordered_pieces) as bigint) as ordered_pieces,
        cast(sum(issued_pieces) as bigint) as issued_pieces,
        cast(sum(least(coalesce(issued_pieces, 0), coalesce(ordered_pieces, 0))) as bigint) as filled_pieces,
        cast(coalesce(sum(issued_pieces) filter (where ordered_pieces is null), 0) as bigint) as extra_pieces,
        min(first_out_at_utc) as first_stock_out_at_utc,
        max(last_out_at_utc) filter (where ordered_pieces is not null) as last_stock_out_at_utc,
        -- a line that names no variant, or no lines at all
        bool_or(variant_id is null) or sum(ordered_pieces) is null as has_unknown_variant
    from by_variant
    group by order_no, cycle_no
    having sum(issued_pieces) is not null

)

select
    a.order_no,
    a.cycle_no,
    a.ordered_pieces,
    a.issued_pieces,
    a.filled_pieces,
    case when not a.has_unknown_variant then a.extra_pieces end as extra_pieces,
    cast(0 as bigint) as later_pieces,
    case
        when a.ordered_pieces is null then 'the order has no lines'
        when a.has_unknown_variant then n.unknown_reason
    end as unknown_reason,
    a.first_stock_out_at_utc,
    case when not a.has_unknown_variant and a.filled_pieces = a.ordered_pieces then a.last_stock_out_at_utc end
        as stock_out_after_utc,
    case when not a.has_unknown_variant and a.filled_pieces = a.ordered_pieces then a.last_stock_out_at_utc end
        as stock_out_at_utc,
    -- where lines cannot be named all that is sure is that nothing left before the first piece
    case when a.has_unknown_variant then a.first_stock_out_at_utc else a.last_stock_out_at_utc end
        as last_stock_out_at_utc,
    not a.has_unknown_variant and a.filled_pieces = a.ordered_pieces as is_complete,
    case when not a.has_unknown_variant then a.filled_pieces = a.ordered_pieces end as is_in_full,
    true as is_anything_out,
    r.order_no is not null as is_replayed
from in_all as a
left join nameless as n
    on a.order_no = n.order_no
left join intermediate.order_replayed as r
    on
        a.order_no = r.order_no
        and a.cycle_no = r.cycle_no
