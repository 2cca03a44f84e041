-- Delivery method and warehouse of an order that was edited, as they were when it left.
-- Grain: one row per order that left and was edited; few orders are.
with

departures as (

    select
        order_no,
        account,
        order_id,
        left_at_utc,
        seen_at
    from intermediate.order_departure

),

orders as (

    select
        order_no,
        delivery_id,
        warehouse_id
    from intermediate.order_base

),

-- a version that says nothing was read before this was tracked: then the next one that does
versions as (

    select
        d.order_no,
        arg_min(h.delivery_id, h._version) filter (where h.delivery_id is not null) as delivery_id,
        arg_min(h.warehouse_id, h._version) filter (where h.warehouse_id is not null) as warehouse_id
    from staging.orders_history as h
    inner join departures as d
        on
            h.account = d.account
            and h.order_id = d.order_id
    where h._valid_to is null or h._valid_to > d.seen_at
    group by d.order_no

),

-- where the order does not say it: the last event before it left, or the first one after
events as (

    select
        d.order_no,
        arg_max_null(e.warehouse_id, (e.happened_at_utc, e.received_no)) filter (where e.happened_at_utc <= d.left_at_utc)
            as warehouse_before,
        arg_min_null(e.warehouse_id, (e.happened_at_utc, e.received_no)) as first_warehouse
    from intermediate.order_warehouse_event as e
    inner join departures as d
        on
            e.account = d.account
            and e.order_id = d.order_id
    group by d.order_no

)

select
    d.order_no,
    coalesce(v.delivery_id, o.delivery_id) as delivery_id,
    coalesce(v.warehouse_id, e.warehouse_before, e.first_warehouse, o.warehouse_id) as warehouse_id
from departures as d
inner join orders as o
    on d.order_no = o.order_no
left join versions as v
    on d.order_no = v.order_no
left join events as e
    on d.order_no = e.order_no
