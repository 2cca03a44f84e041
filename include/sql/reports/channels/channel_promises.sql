-- The delivery window that SHOPLINE promised, beside the dispatch that the policy promises and what came of both.
-- Grain: one row per account and fulfillment order with a window.
with

windows as (

    select
        account,
        fulfillment_order_id,
        coalesce(order_id, fulfillment_order_id) as order_id,
        status,
        delivery_method,
        min_delivery_at_utc,
        max_delivery_at_utc
    from marts.fct_shopline_fulfillment_order
    where max_delivery_at_utc is not null

),

states as (

    select
        source_status,
        state
    from intermediate.channel_state
    where system = 'shopline'

),

joins as (

    select
        account,
        order_id,
        order_number,
        joined_account,
        joined_order_id
    from marts.fct_channel_order
    where system = 'shopline'

),

ours as (

    select
        f.account,
        f.order_id,
        f.sla_state,
        f.due_at_utc,
        f.dispatch_at_utc,
        f.delivered_after_utc,
        f.delivered_at_utc,
        f.cancelled_at_utc
    from marts.fct_fulfillment as f
    semi join joins as j
        on
            f.account = j.joined_account
            and f.order_id = j.joined_order_id
    where f.is_latest_cycle

),

-- an order with several parcels is delivered with the last of them
parcels as (

    select
        account,
        order_id,
        case
            when bool_and(shipment_status = 'delivered') then max(updated_at_utc)
        end as delivered_at_utc
    from marts.fct_shopline_fulfillment
    where status is distinct from 'cancelled'
    group by account, order_id

),

delivered as (

    select
        w.account,
        w.fulfillment_order_id,
        w.order_id,
        j.order_number,
        w.status,
        coalesce(s.state = 'cancelled', false) as is_cancelled,
        w.delivery_method,
        w.min_delivery_at_utc,
        w.max_delivery_at_utc,
        j.joined_order_id as warehouse_order_id,
        o.sla_state,
        o.due_at_utc,
        o.dispatch_at_utc,
        coalesce(o.delivered_after_utc, p.delivered_at_utc) as delivered_after_utc,
        coalesce(o.delivered_at_utc, p.delivered_at_utc) as delivered_at_utc,
        case
            when o.delivered_at_utc is not null then 'fulfillment_cz'
            when p.delivered_at_utc is not null then 'shopline'
        end as delivered_by
    from windows as w
    left join states as s
        on w.status = s.source_status
    left join joins as j
        on
            w.account = j.account
            and w.order_id = j.order_id
    left join ours as o
        on
            j.joined_account = o.account
            and j.joined_order_id = o.order_id
    left join parcels as p
        on
            w.account = p.account
            and w.order_id = p.order_id

)

select
    d.account,
    d.fulfillment_order_id,
    d.order_id,
    d.order_number,
    d.warehouse_order_id,
    d.delivery_method,
    d.min_delivery_at_utc,
    d.max_delivery_at_utc,
    cast(intermediate.local_at(d.max_delivery_at_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after) as date)
        as promised_date,
    d.due_at_utc,
    d.sla_state,
    d.dispatch_at_utc,
    d.delivered_after_utc,
    d.delivered_at_utc,
    d.delivered_by,
    case
        when d.is_cancelled then 'excluded'
        when d.delivered_at_utc <= d.max_delivery_at_utc then 'on_time'
        when d.delivered_after_utc > d.max_delivery_at_utc then 'late'
        when d.delivered_at_utc is not null then 'unknown'
        when r.now_utc > d.max_delivery_at_utc then 'overdue'
        else 'pending'
    end as promise_state,
    coalesce(d.delivered_at_utc < d.min_delivery_at_utc, false) as is_early,
    -- from what we promise to leave to what the channel promised to arrive
    case
        when d.due_at_utc is not null then date_diff('second', d.due_at_utc, d.max_delivery_at_utc) / 3600.0
    end as hours_for_carrier
from delivered as d
cross join intermediate.run_now as r
left join intermediate.calendar_zone_day as z
    on cast(d.max_delivery_at_utc as date) = z.date
