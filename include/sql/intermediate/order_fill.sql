-- How much of what was ordered left the warehouse, and when.
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
            -- true of all, but planned as a fifth of them: so lines are looked up in orders
            and k.order_no is not null
    left join intermediate.variant_code as c
        on
            l.account = c.account
            and l.code = c.code
    where l._deleted_at is null

),

-- what was ordered is to leave in each cycle; few orders have more than one
later_cycles as (

    select
        order_no,
        cycle_no
    from intermediate.order_break
    where is_restored

),

last_attempts as (

    select
        order_no,
        cycle_no,
        attempt_no
    from intermediate.order_last_attempt

),

movements as (

    select
        m.order_no,
        m.cycle_no,
        m.variant_id,
        m.pieces,
        m.moved_at_utc,
        m.attempt_no >= coalesce(a.attempt_no, 1) as is_last_attempt
    from intermediate.order_movement as m
    left join last_attempts as a
        on
            m.order_no = a.order_no
            and m.cycle_no = a.cycle_no
    where m.direction = 'out'

),

both_sides as (

    select
        order_no,
        1 as cycle_no,
        variant_id,
        quantity as ordered_pieces,
        cast(null as bigint) as issued_pieces,
        cast(null as timestamp) as first_out_at_utc,
        cast(null as timestamp) as last_out_at_utc
    from order_lines
    union all
    select
        l.order_no,
        c.cycle_no,
        l.variant_id,
        l.quantity as ordered_pieces,
        cast(null as bigint) as issued_pieces,
        cast(null as timestamp) as first_out_at_utc,
        cast(null as timestamp) as last_out_at_utc
    from order_lines as l
    inner join later_cycles as c
        on l.order_no = c.order_no
    union all
    select
        order_no,
        cycle_no,
        variant_id,
        cast(null as bigint) as ordered_pieces,
        pieces as issued_pieces,
        moved_at_utc as first_out_at_utc,
        case when is_last_attempt then moved_at_utc end as last_out_at_utc
    from movements

),

by_variant as (

    select
        order_no,
        cycle_no,
        variant_id,
        cast(sum(ordered_pieces) as bigint) as ordered_pieces,
        cast(sum(issued_pieces) as bigint) as issued_pieces,
        min(first_out_at_utc) as first_out_at_utc,
        max(last_out_at_utc) as last_out_at_utc
    from both_sides
    group by order_no, cycle_no, variant_id

),

in_all as (

    select
        order_no,
        cycle_no,
        cast(sum(ordered_pieces) as bigint) as ordered_pieces,
        cast(sum(issued_pieces) as bigint) as issued_pieces,
        cast(sum(least(coalesce(issued_pieces, 0), coalesce(ordered_pieces, 0))) as bigint) as filled_pieces,
        -- a line that names no variant, or no lines at all
        bool_or(variant_id is null) or sum(ordered_pieces) is null as has_unknown_variant,
        min(first_out_at_utc) as first_stock_out_at_utc,
        max(last_out_at_utc) as last_stock_out_at_utc
    from by_variant
    group by order_no, cycle_no
    having sum(issued_pieces) is not null

)

select
    order_no,
    cycle_no,
    ordered_pieces,
    issued_pieces,
    filled_pieces,
    has_unknown_variant,
    first_stock_out_at_utc,
    last_stock_out_at_utc,
    -- what a set holds is not known: pieces in all decide there, and nothing is said of in full
    case
        when has_unknown_variant then issued_pieces >= coalesce(ordered_pieces, 0)
        else filled_pieces = ordered_pieces
    end as is_complete,
    case when not has_unknown_variant then filled_pieces = ordered_pieces and issued_pieces = filled_pieces end
        as is_in_full
from in_all
