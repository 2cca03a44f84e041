-- What happened to orders, from every kind of evidence.
-- Grain: one row per account and event.
with

orders as (

    select
        account,
        order_id,
        order_no
    from intermediate.order_base

),

events as (

    select
        order_no,
        event_type,
        source_no,
        occurred_after_utc,
        occurred_at_utc,
        evidence,
        cycle_no,
        attempt_no,
        pieces,
        damaged_pieces,
        is_put_back
    from intermediate.order_event

)

select
    o.account,
    o.order_id,
    -- movements and arrivals have numbers of their own, versions are counted per order
    case
        when e.evidence in ('movement', 'webhook') then e.evidence || ':' || cast(e.source_no as varchar)
        else e.event_type || ':' || cast(e.source_no as varchar) || ':' || o.order_id
    end as event_id,
    e.event_type,
    e.occurred_after_utc,
    e.occurred_at_utc,
    e.evidence,
    e.cycle_no,
    e.attempt_no,
    e.pieces,
    e.damaged_pieces,
    e.is_put_back
from events as e
inner join orders as o
    on e.order_no = o.order_no
