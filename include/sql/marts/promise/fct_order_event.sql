-- What happened to orders, from every kind of evidence.
-- Grain: one row per account and event.
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
    e.is_put_back,
    e.shipment_status,
    e.has_note
from intermediate.order_event as e
inner join intermediate.order_base as o
    on e.order_no = o.order_no
