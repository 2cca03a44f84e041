-- What was taken or left for orders with a line that may be a set, beyond what their other lines name.
-- Grain: one row per order and variant; few orders have any.
with

-- a line's own variant is none of what a set would hold
own as (

    select distinct
        order_no,
        variant_id
    from intermediate.order_line_reading
    where variant_id is not null

),

orders as (

    select distinct
        k.account,
        k.order_id,
        k.order_no
    from intermediate.order_base as k
    inner join intermediate.order_line_reading as r
        on k.order_no = r.order_no
    where r.is_perhaps_set

),

-- what the other lines name
lines as (

    select
        o.order_no,
        coalesce(r.variant_id, c.variant_id) as variant_id,
        sum(l.quantity) as pieces
    from intermediate.order_line_as_sent as l
    inner join orders as o
        on
            l.account = o.account
            and l.order_id = o.order_id
    left join intermediate.order_line_reading as r
        on
            o.order_no = r.order_no
            and l.line_no = r.line_no
    left join intermediate.variant_code as c
        on
            l.account = c.account
            and l.code = c.code
    where coalesce(r.is_perhaps_set, false) = false
    group by all

),

-- stock items tell what was taken; parcels do where there are none
items as (

    select
        o.order_no,
        i.variant_id,
        i.is_packed,
        sum(i.quantity) as pieces
    from intermediate.order_item as i
    inner join orders as o
        on
            i.account = o.account
            and i.order_id = o.order_id
    group by o.order_no, i.variant_id, i.is_packed

),

taken as (

    select
        order_no,
        variant_id,
        pieces
    from items
    qualify is_packed = min(is_packed) over (partition by order_no)

),

issued as (

    select
        m.order_no,
        m.variant_id,
        sum(m.pieces) as pieces
    from intermediate.order_movement as m
    inner join orders as o
        on m.order_no = o.order_no
    where m.direction = 'out'
    group by m.order_no, m.variant_id

)

select
    coalesce(t.order_no, i.order_no) as order_no,
    coalesce(t.variant_id, i.variant_id) as variant_id,
    cast(greatest(coalesce(t.pieces, 0) - coalesce(l.pieces, 0), 0) as bigint) as taken_pieces,
    cast(greatest(coalesce(i.pieces, 0) - coalesce(l.pieces, 0), 0) as bigint) as issued_pieces
from taken as t
full outer join issued as i
    on
        t.order_no = i.order_no
        and t.variant_id = i.variant_id
left join lines as l
    on
        coalesce(t.order_no, i.order_no) = l.order_no
        and coalesce(t.variant_id, i.variant_id) = l.variant_id
left join own as w
    on
        coalesce(t.order_no, i.order_no) = w.order_no
        and coalesce(t.variant_id, i.variant_id) = w.variant_id
where
    w.variant_id is null
    or l.variant_id is not null
