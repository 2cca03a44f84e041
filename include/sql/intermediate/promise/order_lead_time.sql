-- The least and the most each stretch of an order can have lasted, in whole seconds: both or none, equal where both
-- ends are exact.
-- Grain: one row per account and order with an instant of creation, by its latest cycle.
with

fulfillments as (

    select
        account,
        order_id,
        delivery_id,
        created_at_utc,
        eligible_after_utc,
        eligible_at_utc,
        -- an end told before its beginning is at it; greatest() passes over NULL
        case when dispatch_after_utc is not null then greatest(dispatch_after_utc, created_at_utc) end
            as dispatch_after_utc,
        case when dispatch_at_utc is not null then greatest(dispatch_at_utc, created_at_utc) end as dispatch_at_utc,
        sent_after_utc,
        sent_at_utc,
        case when delivered_after_utc is not null then greatest(delivered_after_utc, created_at_utc) end
            as delivered_after_utc,
        case when delivered_at_utc is not null then greatest(delivered_at_utc, sent_after_utc, created_at_utc) end
            as delivered_at_utc,
        cancelled_at_utc,
        returned_at_utc,
        click_to_ship_business_hours,
        warehouse_business_hours,
        waiting_business_hours
    from marts.fct_fulfillment
    where is_latest_cycle

),

own_labels as (

    select
        account,
        order_id
    from marts.fct_order
    where has_own_label

)

select
    f.account,
    f.delivery_id,
    intermediate.local_month_of(f.created_at_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after) as month_start,
    f.cancelled_at_utc is null and f.returned_at_utc is null as is_alive,
    f.dispatch_at_utc is not null as is_dispatched,
    l.order_id is null as is_carried,
    f.sent_at_utc is not null as is_sent,
    f.delivered_at_utc is not null as is_delivered,
    coalesce(f.eligible_at_utc <= r.now_utc, false) as is_eligible,
    -- of dispatch known from one side only nothing is measured
    case
        when f.dispatch_at_utc is not null
            then cast(date_diff('second', f.created_at_utc, f.dispatch_after_utc) as bigint)
    end as ship_least,
    cast(date_diff('second', f.created_at_utc, f.dispatch_at_utc) as bigint) as ship_most,
    -- greatest() passes over NULL: an unknown stretch is not one of no length
    case
        when f.eligible_at_utc is not null and f.eligible_after_utc is not null and f.dispatch_at_utc is not null
            then cast(greatest(date_diff('second', f.eligible_at_utc, f.dispatch_after_utc), 0) as bigint)
    end as warehouse_least,
    case
        when f.eligible_at_utc is not null and f.eligible_after_utc is not null and f.dispatch_at_utc is not null
            then cast(greatest(date_diff('second', f.eligible_after_utc, f.dispatch_at_utc), 0) as bigint)
    end as warehouse_most,
    case
        when f.eligible_at_utc <= r.now_utc
            then cast(date_diff('second', f.created_at_utc, f.eligible_after_utc) as bigint)
    end as waiting_least,
    case
        when f.eligible_after_utc is not null and f.eligible_at_utc <= r.now_utc
            then cast(date_diff('second', f.created_at_utc, f.eligible_at_utc) as bigint)
    end as waiting_most,
    case
        when l.order_id is null and f.sent_at_utc is not null and f.delivered_at_utc is not null
            then cast(greatest(date_diff('second', f.sent_at_utc, f.delivered_after_utc), 0) as bigint)
    end as transit_least,
    case
        when l.order_id is null then cast(date_diff('second', f.sent_after_utc, f.delivered_at_utc) as bigint)
    end as transit_most,
    case
        when l.order_id is null and f.delivered_at_utc is not null
            then cast(date_diff('second', f.created_at_utc, f.delivered_after_utc) as bigint)
    end as door_least,
    case
        when l.order_id is null then cast(date_diff('second', f.created_at_utc, f.delivered_at_utc) as bigint)
    end as door_most,
    cast(round(f.click_to_ship_business_hours * 3600) as bigint) as ship_business,
    cast(round(f.warehouse_business_hours * 3600) as bigint) as warehouse_business,
    -- a wait that is not over has no length yet
    case
        when f.eligible_at_utc <= r.now_utc then cast(round(f.waiting_business_hours * 3600) as bigint)
    end as waiting_business
from fulfillments as f
inner join intermediate.calendar_zone_day as z
    on cast(f.created_at_utc as date) = z.date
left join own_labels as l
    on
        f.account = l.account
        and f.order_id = l.order_id
cross join intermediate.run_now as r
