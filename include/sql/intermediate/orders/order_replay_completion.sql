-- Since when all ordered pieces were out to the end, of orders whose movements are replayed.
-- Grain: one row per order, cycle and reading of when it was sent, where they ever were.
with

states as (

    select
        order_no,
        cycle_no,
        reading,
        moved_at_utc,
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

)

-- after a failed attempt pieces still out prove nothing until the next piece leaves
select
    order_no,
    cycle_no,
    reading,
    complete_at_utc,
    is_first_seen,
    case when attempt_out_at_utc is not null then greatest(complete_at_utc, attempt_out_at_utc) end as out_at_utc
from begun
where complete_at_utc is not null
