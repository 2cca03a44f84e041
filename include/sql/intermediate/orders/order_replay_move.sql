-- What left and what was put back, second by second, of orders whose movements are replayed.
-- Grain: one row per order, cycle, variant and second; an ordered variant that never moved has one without a second.
with

cycles as (

    select
        r.order_no,
        r.cycle_no,
        a.attempt_no as latest_attempt_no,
        s.sent_after_utc,
        s.sent_at_utc,
        coalesce(s.is_first_seen, false) as is_first_seen
    from intermediate.order_replayed as r
    left join intermediate.order_sending as s
        on
            r.order_no = s.order_no
            and r.cycle_no = s.cycle_no
    left join intermediate.order_last_attempt as a
        on
            r.order_no = a.order_no
            and r.cycle_no = a.cycle_no

),

-- a piece that comes back before the order is sent is put back; the evidence says between when that was
movements as (

    select
        m.order_no,
        m.cycle_no,
        m.variant_id,
        m.moved_at_utc,
        m.direction = 'out' as is_out,
        m.pieces,
        m.attempt_no >= coalesce(c.latest_attempt_no, 1) as is_latest_attempt,
        c.sent_at_utc is null or m.moved_at_utc < c.sent_at_utc as is_perhaps_back,
        c.sent_at_utc is null
        or (m.moved_at_utc < c.sent_at_utc and (c.is_first_seen or m.moved_at_utc <= c.sent_after_utc)) as is_surely_back
    from intermediate.order_movement as m
    inner join cycles as c
        on
            m.order_no = c.order_no
            and m.cycle_no = c.cycle_no

),

by_second as (

    select
        order_no,
        cycle_no,
        variant_id,
        moved_at_utc,
        cast(coalesce(sum(pieces) filter (where is_out), 0) as bigint) as out_pieces,
        cast(coalesce(sum(pieces) filter (where not is_out and is_surely_back), 0) as bigint) as surely_back_pieces,
        cast(coalesce(sum(pieces) filter (where not is_out and is_perhaps_back), 0) as bigint) as perhaps_back_pieces,
        bool_or(is_out and is_latest_attempt) as is_latest_attempt_out
    from movements
    group by order_no, cycle_no, variant_id, moved_at_utc

),

ordered as (

    select
        c.order_no,
        c.cycle_no,
        c.is_first_seen,
        v.variant_id,
        v.ordered_pieces as pieces
    from cycles as c
    inner join intermediate.order_variant as v
        on
            c.order_no = v.order_no
            and c.cycle_no = v.cycle_no
    where
        v.variant_id is not null
        and v.ordered_pieces is not null

)

select
    coalesce(o.order_no, m.order_no) as order_no,
    coalesce(o.cycle_no, m.cycle_no) as cycle_no,
    coalesce(o.variant_id, m.variant_id) as variant_id,
    m.moved_at_utc,
    o.pieces as ordered_pieces,
    coalesce(m.out_pieces, 0) as out_pieces,
    coalesce(m.surely_back_pieces, 0) as surely_back_pieces,
    coalesce(m.perhaps_back_pieces, 0) as perhaps_back_pieces,
    coalesce(m.is_latest_attempt_out, false) as is_latest_attempt_out,
    coalesce(o.is_first_seen, false) as is_first_seen
from ordered as o
full outer join by_second as m
    on
        o.order_no = m.order_no
        and o.cycle_no = m.cycle_no
        and o.variant_id = m.variant_id
