-- Orders edited after they left, with their lines as they were when they left and what is asked for now.
-- Grain: one row per order and line it had when it left; few orders are edited.
with

versions as (

    select
        d.order_no,
        h.account,
        h.order_id,
        h.line_no,
        h.code,
        h.ext_code,
        h.quantity,
        h._version,
        h._valid_from <= d.lines_seen_at as was_seen
    from staging.order_lines_history as h
    inner join intermediate.order_departure as d
        on
            h.account = d.account
            and h.order_id = d.order_id
    where h._valid_to is null or h._valid_to > d.lines_seen_at

),

-- a line that was set aside at first, and read later, was there before the lines behind it
present as (

    select *
    from versions
    qualify
        was_seen
        or (_version = 1 and line_no < max(case when was_seen then line_no end) over (partition by order_no))

),

-- the order of lines means nothing: a line is found again by its code
lines_then as (

    select
        order_no,
        account,
        order_id,
        line_no,
        code,
        ext_code,
        quantity,
        row_number() over (partition by order_no, code order by line_no) as same_code_no
    from present

),

lines_now as (

    select
        d.order_no,
        l.code,
        l.quantity,
        row_number() over (partition by d.order_no, l.code order by l.line_no) as same_code_no
    from staging.order_lines as l
    inner join intermediate.order_departure as d
        on
            l.account = d.account
            and l.order_id = d.order_id
    where l._deleted_at is null

),

paired as (

    select
        t.*,
        n.quantity as quantity_now,
        bool_or(t.quantity is distinct from n.quantity) over (
            partition by coalesce(t.order_no, n.order_no)
        ) as is_edited
    from lines_then as t
    full outer join lines_now as n
        on
            t.order_no = n.order_no
            and t.code is not distinct from n.code
            and t.same_code_no = n.same_code_no

)

select
    p.order_no,
    p.account,
    p.order_id,
    p.line_no,
    p.code,
    p.ext_code,
    l.product_name,
    p.quantity,
    coalesce(p.quantity_now, 0) as quantity_now
from paired as p
left join staging.order_lines as l
    on
        p.account = l.account
        and p.order_id = l.order_id
        and p.line_no = l.line_no
        and p.code is not distinct from l.code
where
    p.is_edited
    and p.order_no is not null
