-- How much of what was ordered left: pieces and lines.
-- Grain: one row per account and month of the due day.
with

fulfillments as (

    select
        account,
        order_id,
        cycle_no,
        cast(date_trunc('month', due_date) as date) as due_month,
        is_in_full
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

variants as (

    select
        order_no,
        cycle_no,
        variant_id,
        lines,
        ordered_pieces,
        issued_pieces
    from intermediate.order_variant
    where ordered_pieces is not null

),

put_back as (

    select
        order_no,
        cycle_no,
        variant_id,
        sum(pieces) as pieces
    from intermediate.order_return
    where is_put_back
    group by order_no, cycle_no, variant_id

),

-- what a set's line holds is no line, and a line in quarantine is none of these
not_countable as (

    select order_no
    from intermediate.order_line_meaning
    where variant_id is null
    union
    select order_no
    from intermediate.order_gap

),

lines_monthly as (

    select
        f.account,
        f.due_month,
        count(*) as lines,
        sum(l.quantity) as pieces
    from staging.order_lines as l
    inner join fulfillments as f
        on
            l.account = f.account
            and l.order_id = f.order_id
    where l._deleted_at is null
    group by f.account, f.due_month

),

orders_monthly as (

    select
        account,
        due_month,
        count(*) as orders
    from fulfillments
    group by account, due_month

),

-- where all is in full every line is complete: only the few other orders are looked into
doubtful as (

    select
        f.account,
        f.order_id,
        f.cycle_no,
        f.due_month,
        k.order_no
    from keys as k
    inner join fulfillments as f
        on
            k.account = f.account
            and k.order_id = f.order_id
    where f.is_in_full is distinct from true

),

-- lines of one variant share what left of it and was not put back
doubtful_orders as (

    select
        d.order_no,
        bool_or(v.variant_id is null or n.order_no is not null) as has_unknown_variant,
        sum(greatest(v.ordered_pieces - greatest(coalesce(v.issued_pieces, 0) - coalesce(b.pieces, 0), 0), 0))
            as missing_pieces,
        coalesce(
            sum(v.lines) filter (where coalesce(v.issued_pieces, 0) - coalesce(b.pieces, 0) < v.ordered_pieces), 0
        ) as incomplete_lines
    from variants as v
    inner join doubtful as d
        on
            v.order_no = d.order_no
            and v.cycle_no = d.cycle_no
    left join put_back as b
        on
            v.order_no = b.order_no
            and v.cycle_no = b.cycle_no
            and v.variant_id = b.variant_id
    left join not_countable as n
        on v.order_no = n.order_no
    group by d.order_no

),

uncounted_lines as (

    select
        d.order_no,
        count(*) as lines,
        sum(l.quantity) as pieces
    from staging.order_lines as l
    inner join doubtful as d
        on
            l.account = d.account
            and l.order_id = d.order_id
    where
        l._deleted_at is null
        and d.order_no in (select order_no from not_countable)
    group by d.order_no

),

-- what no line names, and orders without lines, cannot be counted
corrections as (

    select
        d.account,
        d.due_month,
        count(*) filter (where o.has_unknown_variant is distinct from false) as orders_not_countable,
        coalesce(sum(u.lines), 0) as lines_not_countable,
        coalesce(sum(u.pieces), 0) as pieces_not_countable,
        coalesce(sum(o.missing_pieces) filter (where not o.has_unknown_variant), 0) as missing_pieces,
        coalesce(sum(o.incomplete_lines) filter (where not o.has_unknown_variant), 0) as incomplete_lines
    from doubtful as d
    left join doubtful_orders as o
        on d.order_no = o.order_no
    left join uncounted_lines as u
        on d.order_no = u.order_no
    group by d.account, d.due_month

),

counted as (

    select
        o.account,
        o.due_month,
        o.orders,
        coalesce(c.orders_not_countable, 0) as orders_not_countable,
        coalesce(l.pieces, 0) - coalesce(c.pieces_not_countable, 0) as ordered_pieces,
        coalesce(l.lines, 0) - coalesce(c.lines_not_countable, 0) as lines,
        coalesce(c.missing_pieces, 0) as missing_pieces,
        coalesce(c.incomplete_lines, 0) as incomplete_lines
    from orders_monthly as o
    left join lines_monthly as l
        on
            o.account = l.account
            and o.due_month = l.due_month
    left join corrections as c
        on
            o.account = c.account
            and o.due_month = c.due_month

)

select
    account,
    due_month,
    orders,
    orders_not_countable,
    ordered_pieces,
    ordered_pieces - missing_pieces as filled_pieces,
    lines,
    lines - incomplete_lines as complete_lines,
    (ordered_pieces - missing_pieces) / nullif(ordered_pieces, 0) as unit_fill_rate,
    (lines - incomplete_lines) / nullif(lines, 0) as line_fill_rate
from counted
