-- When all ordered pieces were out, of orders from which pieces came back or left twice.
-- Grain: one row per order and cycle of order_replayed in which anything left.
with

completed as (

    select
        order_no,
        cycle_no,
        complete_at_utc,
        is_first_seen
    from intermediate.order_replay_completion
    where reading = 'early'

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
left join intermediate.order_replay_reading as r
    on
        h.order_no = r.order_no
        and h.cycle_no = r.cycle_no
left join all_moves as m
    on
        h.order_no = m.order_no
        and h.cycle_no = m.cycle_no
