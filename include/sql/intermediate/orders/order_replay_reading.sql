-- When all ordered pieces were out and what was out then, by each of the two readings of when the order was sent.
-- Grain: one row per order and cycle whose movements are replayed.
with

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
        arg_max_null(t.net_pieces, t.moved_at_utc) filter (where t.moved_at_utc <= coalesce(c.out_at_utc, c.complete_at_utc))
            as pieces_then,
        sum(t.out_pieces) filter (where t.moved_at_utc > c.out_at_utc) as later_pieces,
        case
            when arg_max_null(t.is_whole, t.moved_at_utc) then max(t.moved_at_utc) filter (where t.is_filled)
            else max(t.moved_at_utc) filter (where t.is_latest_attempt_out)
        end as last_out_at_utc
    from intermediate.order_replay_state as t
    left join intermediate.order_replay_completion as c
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

)

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
