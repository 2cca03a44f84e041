-- How much of what was ordered left: pieces and lines.
-- Grain: one row per account and month of the due day.
with

fulfillments as (

    select
        account,
        order_id,
        cycle_no,
        cast(date_trunc('month', due_date) as date) as due_month
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and due_date is not null
        and sla_state not in ('excluded', 'pending')

),

keys as (

    select
        account,
        order_id,
        order_no
    from intermediate.order_key

),

fills as (

    select
        order_no,
        cycle_no,
        filled_pieces,
        ordered_pieces
    from intermediate.order_fill

),

lines as (

    select
        account,
        order_id,
        variant_id,
        quantity
    from marts.fct_order_line

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
        account,
        order_id,
        count(*) as lines,
        sum(quantity) as pieces,
        bool_or(variant_id is null) as has_unknown_variant
    from lines
    group by account, order_id

),

orders as (

    select
        f.account,
        f.order_id,
        f.cycle_no,
        f.due_month,
        k.order_no,
        o.lines,
        o.pieces,
        coalesce(o.has_unknown_variant, true) as has_unknown_variant,
        coalesce(i.filled_pieces, 0) as filled_pieces
    from fulfillments as f
    inner join keys as k
        on
            f.account = k.account
            and f.order_id = k.order_id
    left join ordered as o
        on
            f.account = o.account
            and f.order_id = o.order_id
    left join fills as i
        on
            k.order_no = i.order_no
            and f.cycle_no = i.cycle_no

),

-- line by line only where something is missing: elsewhere every line is complete
short_orders as (

    select
        account,
        order_id,
        order_no,
        cycle_no
    from orders
    where not has_unknown_variant and filled_pieces < pieces

),

short_issued as (

    select
        s.order_no,
        m.variant_id,
        sum(m.pieces) as pieces
    from short_orders as s
    inner join movements as m
        on
            s.order_no = m.order_no
            and s.cycle_no = m.cycle_no
    group by s.order_no, m.variant_id

),

-- lines of one variant share what left of it: none is complete while it falls short of all
short_variants as (

    select
        s.order_no,
        l.variant_id,
        count(*) as lines,
        sum(l.quantity) as pieces
    from short_orders as s
    inner join lines as l
        on
            s.account = l.account
            and s.order_id = l.order_id
    group by s.order_no, l.variant_id

),

short_lines as (

    select
        v.order_no,
        sum(v.lines) filter (where i.pieces >= v.pieces) as complete_lines
    from short_variants as v
    left join short_issued as i
        on
            v.order_no = i.order_no
            and v.variant_id = i.variant_id
    group by v.order_no

),

counted as (

    select
        o.account,
        o.due_month,
        count(*) as orders,
        count(*) filter (where o.has_unknown_variant) as orders_not_countable,
        coalesce(sum(o.pieces) filter (where not o.has_unknown_variant), 0) as ordered_pieces,
        coalesce(sum(o.filled_pieces) filter (where not o.has_unknown_variant), 0) as filled_pieces,
        coalesce(sum(o.lines) filter (where not o.has_unknown_variant), 0) as lines,
        coalesce(
            sum(case when o.filled_pieces < o.pieces then coalesce(s.complete_lines, 0) else o.lines end)
                filter (where not o.has_unknown_variant), 0
        ) as complete_lines
    from orders as o
    left join short_lines as s
        on o.order_no = s.order_no
    group by all

)

select
    account,
    due_month,
    orders,
    orders_not_countable,
    ordered_pieces,
    filled_pieces,
    lines,
    complete_lines,
    filled_pieces / nullif(ordered_pieces, 0) as unit_fill_rate,
    complete_lines / nullif(lines, 0) as line_fill_rate
from counted
