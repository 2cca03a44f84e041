-- When all ordered pieces were out, of orders from which pieces came back or left twice.
-- Grain: one row per order and cycle of order_replayed in which anything left.
with

states as (

    select
        order_no,
        cycle_no,
        reading,
        variant_id,
        moved_at_utc,
        ordered_pieces,
        out_pieces,
        net_pieces,
        is_whole,
        is_filled,
        is_latest_attempt_out,
        is_first_seen,
        is_complete
    from intermediate.order_replay_state

),

marked as (

    select
        *,
        max(moved_at_utc) filter (where not is_complete) over (partition by order_no, cycle_no, reading)
            as incomplete_at_utc
    from states

),

-- complete, and so to the end; an order that the first poll found gone was sent once it was complete
begun as (

    select
        order_no,
        cycle_no,
        reading,
        min(moved_at_utc) filter (
            where is_complete and (is_first_seen or moved_at_utc > coalesce(incomplete_at_utc, timestamp '-infinity'))
        ) as complete_at_utc,
        min(moved_at_utc) filter (where is_latest_attempt_out) as attempt_out_at_utc,
        bool_or(is_first_seen) as is_first_seen
    from marked
    group by order_no, cycle_no, reading

),

-- after a failed attempt pieces still out prove nothing until the next piece leaves
completed as (

    select
        order_no,
        cycle_no,
        reading,
        complete_at_utc,
        is_first_seen,
        case when attempt_out_at_utc is not null then greatest(complete_at_utc, attempt_out_at_utc) end as out_at_utc
    from begun
    where complete_at_utc is not null

),

-- of each variant: what was out at that moment, what left later, and since when what is there was
per_variant as (

    select
        t.order_no,
        t.cycle_no,
        t.reading,
        t.variant_id,
        any_value(t.ordered_pieces) as ordered_pieces,
        any_value(c.out_at_utc) as out_at_utc,
        any_value(c.complete_at_utc) as complete_at_utc,
        arg_max(t.net_pieces, t.moved_at_utc) filter (where t.moved_at_utc <= coalesce(c.out_at_utc, c.complete_at_utc))
            as pieces_then,
        sum(t.out_pieces) filter (where t.moved_at_utc > c.out_at_utc) as later_pieces,
        case
            when arg_max(t.is_whole, t.moved_at_utc) then max(t.moved_at_utc) filter (where t.is_filled)
            else max(t.moved_at_utc) filter (where t.is_latest_attempt_out)
        end as last_out_at_utc
    from states as t
    left join completed as c
        on
            t.order_no = c.order_no
            and t.cycle_no = c.cycle_no
            and t.reading = c.reading
    group by t.order_no, t.cycle_no, t.reading, t.variant_id

),

per_reading as (

    select
        order_no,
        cycle_no,
        reading,
        any_value(out_at_utc) as out_at_utc,
        bool_or(complete_at_utc is not null) as is_complete,
        coalesce(bool_and(coalesce(pieces_then, 0) = ordered_pieces), false) as is_in_full,
        cast(coalesce(sum(later_pieces), 0) as bigint) as later_pieces,
        max(last_out_at_utc) as last_out_at_utc
    from per_variant
    group by order_no, cycle_no, reading

),

-- the two readings of when it was sent
readings as (

    select
        e.order_no,
        e.cycle_no,
        e.out_at_utc as early_out_at_utc,
        l.out_at_utc as late_out_at_utc,
        l.is_complete,
        case when e.is_in_full = l.is_in_full and e.out_at_utc is not distinct from l.out_at_utc then l.is_in_full end
            as is_in_full,
        e.later_pieces,
        e.last_out_at_utc
    from per_reading as e
    inner join per_reading as l
        on
            e.order_no = l.order_no
            and e.cycle_no = l.cycle_no
            and l.reading = 'late'
    where e.reading = 'early'

),

-- what came back to an order that the first poll found gone, after it was complete, was not put back
backs as (

    select
        m.order_no,
        m.cycle_no,
        m.ordered_pieces,
        m.out_pieces,
        case when c.is_first_seen and m.moved_at_utc > c.complete_at_utc then 0 else m.surely_back_pieces end
            as surely_back_pieces,
        case when c.is_first_seen and m.moved_at_utc > c.complete_at_utc then 0 else m.perhaps_back_pieces end
            as perhaps_back_pieces
    from intermediate.order_replay_move as m
    left join completed as c
        on
            m.order_no = c.order_no
            and m.cycle_no = c.cycle_no
            and c.reading = 'early'

),

all_moves as (

    select
        order_no,
        cycle_no,
        greatest(sum(out_pieces - surely_back_pieces) filter (where ordered_pieces is null), 0) as extra_pieces,
        sum(out_pieces - perhaps_back_pieces) > 0 as is_anything_out
    from backs
    group by order_no, cycle_no

),

heads as (

    select
        v.order_no,
        v.cycle_no,
        min(v.first_out_at_utc) as first_stock_out_at_utc,
        case
            when sum(v.ordered_pieces) is null then 'the order has no lines'
            when bool_or(v.variant_id is null) then min(m.unknown_reason)
        end as unknown_reason
    from intermediate.order_variant as v
    inner join intermediate.order_replayed as r
        on
            v.order_no = r.order_no
            and v.cycle_no = r.cycle_no
    left join intermediate.order_line_meaning as m
        on v.order_no = m.order_no
    group by v.order_no, v.cycle_no
    having sum(v.issued_pieces) is not null

)

select
    h.order_no,
    h.cycle_no,
    case when h.unknown_reason is null then cast(coalesce(m.extra_pieces, 0) as bigint) end as extra_pieces,
    coalesce(r.later_pieces, 0) as later_pieces,
    case
        when h.unknown_reason is not null then h.unknown_reason
        when r.early_out_at_utc is distinct from r.late_out_at_utc then 'perhaps put back before it was sent'
    end as unknown_reason,
    h.first_stock_out_at_utc,
    case
        when h.unknown_reason is not null then null
        when r.early_out_at_utc < r.late_out_at_utc then r.early_out_at_utc - interval 1 second
        else r.early_out_at_utc
    end as stock_out_after_utc,
    case when h.unknown_reason is null then r.late_out_at_utc end as stock_out_at_utc,
    case
        when h.unknown_reason is not null then h.first_stock_out_at_utc
        else coalesce(r.early_out_at_utc, r.last_out_at_utc)
    end as last_stock_out_at_utc,
    h.unknown_reason is null and coalesce(r.is_complete, false) as is_complete,
    case when h.unknown_reason is null then r.is_in_full end as is_in_full,
    coalesce(m.is_anything_out, false) as is_anything_out
from heads as h
left join readings as r
    on
        h.order_no = r.order_no
        and h.cycle_no = r.cycle_no
left join all_moves as m
    on
        h.order_no = m.order_no
        and h.cycle_no = m.cycle_no
