-- What webhooks say happened to orders, in the words of order events.
-- Grain: one row per account and event of an order the source still has; later than now there are none.
with

changing_days as (

    select date
    from intermediate.calendar_zone_day
    where has_change

),

orders as (

    select
        account,
        order_id,
        order_no
    from intermediate.order_base
    -- true of all, but planned as a fifth of them: so events are looked up in orders, not orders in events
    where order_no is not null

),

-- read apart by their kind: a payload is looked into only where it may tell of a hold; millions pass through uncopied
milestones as not materialized (

    select
        o.order_no,
        e.received_no,
        e.event_type as source_type,
        cast(null as boolean) as is_on_hold,
        cast(null as varchar) as shipment_status,
        e.has_note,
        e.occurred_text,
        e.occurred_at,
        e.occurred_at_utc,
        e.received_at_utc
    from staging.webhook_events as e
    inner join orders as o
        on
            e.account = o.account
            and e.subject_id = o.order_id
    where
        e.source = 'fulfillment_cz'
        and e.subject_kind = 'order'
        and e.event_type <> 'OrderCreated'
        and e.event_type <> 'OrderUpdated'
        and e.event_type <> 'OrderDeliveryChanged'
        and e._deleted_at is null

),

holds as (

    select
        o.order_no,
        h.received_no,
        h.source_type,
        h.is_on_hold,
        cast(null as varchar) as shipment_status,
        cast(null as boolean) as has_note,
        h.occurred_text,
        h.occurred_at,
        h.occurred_at_utc,
        h.received_at_utc
    from intermediate.order_hold_event as h
    inner join orders as o
        on
            h.account = o.account
            and h.order_id = o.order_id

),

shipments as (

    select
        o.order_no,
        s.received_no,
        s.source_type,
        cast(null as boolean) as is_on_hold,
        s.shipment_status,
        cast(null as boolean) as has_note,
        s.occurred_text,
        s.occurred_at,
        s.occurred_at_utc,
        s.received_at_utc
    from intermediate.order_shipment_event as s
    inner join orders as o
        on
            s.account = o.account
            and s.order_id = o.order_id

),

events as not materialized (

    select *
    from milestones
    union all
    select *
    from holds
    union all
    select *
    from shipments

),

dated as not materialized (

    select
        e.order_no,
        e.received_no,
        case when s.event_type is null then w.event_type else cast(s.event_type as varchar) end as event_type,
        w.lifting_type,
        e.is_on_hold,
        e.shipment_status,
        e.has_note,
        e.occurred_at_utc as after_utc,
        -- a time of the repeated hour without an offset, received after its second pass began, may be of either
        case
            when d.date is null or staging.stated_utc(e.occurred_text) is not null then e.occurred_at_utc
            when e.received_at_utc < staging.utc_of_second(e.occurred_at, r.zone) then e.occurred_at_utc
            else staging.utc_of_second(e.occurred_at, r.zone)
        end as at_utc
    from events as e
    inner join intermediate.order_event_word as w
        on e.source_type = w.source_type
    left join intermediate.shipment_status_map as s
        on e.shipment_status = s.shipment_status
    left join changing_days as d
        on cast(e.occurred_at as date) = d.date
    cross join intermediate.run_now as r
    -- a time that never was has no instant and proves nothing; what comes after now is not known yet
    where e.occurred_at_utc <= r.now_utc

),

-- an update tells of a hold only where it differs from what was said before
hold_changes as (

    select
        *,
        coalesce(
            lag(is_on_hold) over (partition by order_no order by at_utc, received_no), false
        ) as was_on_hold
    from dated
    where is_on_hold is not null

)

select
    order_no,
    received_no,
    event_type,
    shipment_status,
    has_note,
    after_utc,
    at_utc
from dated
where is_on_hold is null
union all
select
    order_no,
    received_no,
    case when is_on_hold then event_type else lifting_type end as event_type,
    shipment_status,
    has_note,
    after_utc,
    at_utc
from hold_changes
where is_on_hold <> was_on_hold
