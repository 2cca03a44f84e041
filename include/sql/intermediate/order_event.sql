-- What happened to orders, from every kind of evidence.
-- Grain: one row per order and event.
with

orders as (

    select
        order_no,
        created_at_utc
    from intermediate.order_key

),

poll_events as (

    select
        order_no,
        event_type,
        version_no as source_no,
        occurred_after_utc,
        occurred_at_utc,
        evidence,
        cycle_no,
        attempt_no
    from intermediate.order_event_poll

),

movements as (

    select
        movement_id,
        order_no,
        direction,
        pieces,
        damaged_pieces,
        moved_at_utc,
        cycle_no,
        attempt_no
    from intermediate.order_movement

),

created_events as (

    select
        order_no,
        'created' as event_type,
        1 as source_no,
        cast(null as timestamp) as occurred_after_utc,
        created_at_utc as occurred_at_utc,
        -- the order itself states it
        'poll' as evidence,
        1 as cycle_no,
        1 as attempt_no,
        cast(null as bigint) as pieces,
        cast(null as bigint) as damaged_pieces
    from orders

),

-- what moved in the same second is one event
movement_events as (

    select
        order_no,
        case direction when 'out' then 'stock_out' else 'stock_in' end as event_type,
        min(movement_id) as source_no,
        cast(null as timestamp) as occurred_after_utc,
        moved_at_utc as occurred_at_utc,
        'movement' as evidence,
        cycle_no,
        attempt_no,
        cast(sum(pieces) as bigint) as pieces,
        cast(sum(damaged_pieces) as bigint) as damaged_pieces
    from movements
    group by order_no, direction, moved_at_utc, cycle_no, attempt_no

),

-- webhook events join here, with occurred_after_utc NULL: they are points
all_events as (

    select *
    from created_events
    union all
    select
        *,
        cast(null as bigint) as pieces,
        cast(null as bigint) as damaged_pieces
    from poll_events
    union all
    select *
    from movement_events

)

select *
from all_events
