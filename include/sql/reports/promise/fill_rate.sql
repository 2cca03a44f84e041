-- How much of what was ordered left: pieces and lines.
-- Grain: one row per account and month of the due day.
with

fulfillments as (

    select
        account,
        order_id,
        cast(date_trunc('month', due_date) as date) as due_month
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and due_date is not null
        and sla_state not in ('excluded', 'pending')

),

lines_monthly as (

    select
        f.account,
        f.due_month,
        count(*) as lines,
        sum(l.quantity) as pieces
    from intermediate.order_line_as_sent as l
    inner join fulfillments as f
        on
            l.account = f.account
            and l.order_id = f.order_id
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
corrections as (

    select
        f.account,
        f.due_month,
        count(*) filter (where s.is_uncountable) as orders_not_countable,
        sum(s.uncountable_lines) as lines_not_countable,
        sum(s.uncountable_pieces) as pieces_not_countable,
        sum(s.missing_pieces) as missing_pieces,
        sum(s.incomplete_lines) as incomplete_lines
    from intermediate.order_shortfall as s
    inner join fulfillments as f
        on
            s.account = f.account
            and s.order_id = f.order_id
    group by f.account, f.due_month

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
