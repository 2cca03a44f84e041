-- What was ordered of each variant and what left of it.
-- Grain: one row per order, cycle and variant; lines that name none are one row with NULL.
with

wanted as not materialized (

    select
        order_no,
        variant_id,
        pieces
    from intermediate.order_wanted

),

-- what was ordered is to leave in each cycle; few orders have more than one
later_cycles as (

    select
        order_no,
        cycle_no
    from intermediate.order_restart
    where is_restored

),

movements as not materialized (

    select
        m.order_no,
        m.cycle_no,
        m.variant_id,
        m.pieces,
        m.moved_at_utc,
        m.attempt_no >= coalesce(a.attempt_no, 1) as is_last_attempt
    from intermediate.order_movement as m
    left join intermediate.order_last_attempt as a
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
        pieces as ordered_pieces,
        cast(null as bigint) as issued_pieces,
        cast(null as timestamp) as out_at_utc,
        cast(null as timestamp) as last_out_at_utc
    from wanted
    union all
    select
        w.order_no,
        c.cycle_no,
        w.variant_id,
        w.pieces as ordered_pieces,
        cast(null as bigint) as issued_pieces,
        cast(null as timestamp) as out_at_utc,
        cast(null as timestamp) as last_out_at_utc
    from wanted as w
    inner join later_cycles as c
        on w.order_no = c.order_no
    union all
    select
        order_no,
        cycle_no,
        variant_id,
        cast(null as bigint) as ordered_pieces,
        pieces as issued_pieces,
        moved_at_utc as out_at_utc,
        case when is_last_attempt then moved_at_utc end as last_out_at_utc
    from movements

)

select
    order_no,
    cycle_no,
    variant_id,
    cast(sum(ordered_pieces) as bigint) as ordered_pieces,
    cast(sum(issued_pieces) as bigint) as issued_pieces,
    count(ordered_pieces) as lines,
    min(out_at_utc) as first_out_at_utc,
    max(last_out_at_utc) as last_out_at_utc
from both_sides
group by order_no, cycle_no, variant_id
