-- SHOPLINE's fulfillment orders that are not done, held ones with their reasons.
-- Grain: one row per account and fulfillment order.
with

joins as (

    select
        account,
        order_id,
        order_number,
        join_state,
        joined_order_id
    from marts.fct_channel_order
    where system = 'shopline'

),

fulfillment_orders as (

    select
        f.account,
        f.fulfillment_order_id,
        f.order_id,
        f.status,
        f.request_status,
        f.delivery_method,
        f.min_delivery_at_utc,
        f.max_delivery_at_utc,
        f.fulfillable_quantity,
        coalesce(f.created_at_utc, f.first_received_at_utc) as open_since_utc,
        coalesce(s.state, 'unknown') as state
    from marts.fct_shopline_fulfillment_order as f
    left join intermediate.channel_state as s
        on
            f.status = s.source_status
            and s.system = 'shopline'

),

reasons as (

    select
        account,
        fulfillment_order_id,
        string_agg(reason, ', ' order by hold_no) as hold_reasons
    from marts.fct_shopline_fulfillment_order_hold
    group by account, fulfillment_order_id

)

select
    f.account,
    f.fulfillment_order_id,
    f.order_id,
    j.order_number,
    f.status,
    f.state,
    f.request_status,
    h.hold_reasons,
    f.delivery_method,
    f.min_delivery_at_utc,
    f.max_delivery_at_utc,
    coalesce(f.max_delivery_at_utc < r.now_utc, false) as is_window_over,
    f.fulfillable_quantity,
    j.join_state,
    j.joined_order_id as warehouse_order_id,
    f.open_since_utc,
    intermediate.hours_between(f.open_since_utc, r.now_utc) as open_hours
from fulfillment_orders as f
cross join intermediate.run_now as r
left join reasons as h
    on
        f.account = h.account
        and f.fulfillment_order_id = h.fulfillment_order_id
left join joins as j
    on
        f.account = j.account
        and coalesce(f.order_id, f.fulfillment_order_id) = j.order_id
where f.state in ('open', 'held', 'unknown')
