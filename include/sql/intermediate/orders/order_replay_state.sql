-- What of each ordered variant was out, second by second, and whether all of the order was.
-- Grain: one row per order, cycle, reading of when it was sent, variant and second.
with

moves as (

    select
        order_no,
        cycle_no,
        variant_id,
        moved_at_utc,
        ordered_pieces,
        out_pieces,
        is_latest_attempt_out,
        is_first_seen,
        unnest([
            {'reading': 'early', 'change': out_pieces - surely_back_pieces},
            {'reading': 'late', 'change': out_pieces - perhaps_back_pieces}
        ], recursive := true)
    from intermediate.order_replay_move

),

summed as (

    select
        *,
        sum(change) over so_far as total
    from moves
    window so_far as (partition by order_no, cycle_no, reading, variant_id order by moved_at_utc)

),

-- what comes back beyond what left belongs to a cycle before: no less than nothing is out
netted as (

    select
        *,
        total - least(min(total) over so_far, 0) as net_pieces
    from summed
    window so_far as (partition by order_no, cycle_no, reading, variant_id order by moved_at_utc)

),

turned as (

    select
        *,
        net_pieces >= ordered_pieces as is_whole,
        cast(net_pieces >= ordered_pieces as integer)
        - coalesce(lag(cast(net_pieces >= ordered_pieces as integer)) over so_far, 0) as turn
    from netted
    where ordered_pieces is not null
    window so_far as (partition by order_no, cycle_no, reading, variant_id order by moved_at_utc)

),

variants as (

    select
        order_no,
        cycle_no,
        count(distinct variant_id) filter (where ordered_pieces > 0) as variants
    from intermediate.order_replay_move
    where ordered_pieces is not null
    group by order_no, cycle_no

),

seconds as (

    select
        t.order_no,
        t.cycle_no,
        t.reading,
        t.moved_at_utc,
        v.variants,
        coalesce(sum(t.turn) filter (where t.ordered_pieces > 0), 0) as turn
    from turned as t
    inner join variants as v
        on
            t.order_no = v.order_no
            and t.cycle_no = v.cycle_no
    where t.moved_at_utc is not null
    group by t.order_no, t.cycle_no, t.reading, t.moved_at_utc, v.variants

),

states as (

    select
        *,
        sum(turn) over so_far = variants as is_complete
    from seconds
    window so_far as (partition by order_no, cycle_no, reading order by moved_at_utc)

)

select
    t.order_no,
    t.cycle_no,
    t.reading,
    t.variant_id,
    t.moved_at_utc,
    t.ordered_pieces,
    t.out_pieces,
    t.net_pieces,
    t.is_whole,
    t.turn > 0 as is_filled,
    t.is_latest_attempt_out,
    t.is_first_seen,
    coalesce(s.is_complete, false) as is_complete
from turned as t
left join states as s
    on
        t.order_no = s.order_no
        and t.cycle_no = s.cycle_no
        and t.reading = s.reading
        and t.moved_at_utc = s.moved_at_utc
