-- How long orders took: percentiles with what is still open beside them.
-- Grain: one row per account, month of creation, delivery method (and all methods together), measure and kind of hours.
with

counted as (

    select
        account,
        month_start,
        delivery_id,
        grouping(delivery_id) = 1 as is_all_methods,
        count(*) as orders,
        count(*) filter (where not is_dispatched and is_alive) as not_dispatched,
        count(*) filter (where not is_eligible and not is_dispatched and is_alive) as not_eligible,
        count(*) filter (where is_carried and is_sent and not is_delivered and is_alive) as in_transit,
        count(*) filter (where is_carried and not is_delivered and is_alive) as not_delivered,
        count(ship_most) as ship_n,
        count(warehouse_most) as warehouse_n,
        count(waiting_most) as waiting_n,
        count(transit_most) as transit_n,
        count(door_most) as door_n,
        count(*) filter (where ship_least = ship_most) as ship_exact,
        count(*) filter (where warehouse_least = warehouse_most) as warehouse_exact,
        count(*) filter (where waiting_least = waiting_most) as waiting_exact,
        count(*) filter (where transit_least = transit_most) as transit_exact,
        count(*) filter (where door_least = door_most) as door_exact,
        count(ship_business) as ship_business_n,
        count(warehouse_business) as warehouse_business_n,
        count(waiting_business) as waiting_business_n,
        quantile_cont(ship_least, [0.5, 0.9, 0.95]) as ship_least,
        quantile_cont(ship_most, [0.5, 0.9, 0.95]) as ship_most,
        quantile_cont(warehouse_least, [0.5, 0.9, 0.95]) as warehouse_least,
        quantile_cont(warehouse_most, [0.5, 0.9, 0.95]) as warehouse_most,
        quantile_cont(waiting_least, [0.5, 0.9, 0.95]) as waiting_least,
        quantile_cont(waiting_most, [0.5, 0.9, 0.95]) as waiting_most,
        quantile_cont(transit_least, [0.5, 0.9, 0.95]) as transit_least,
        quantile_cont(transit_most, [0.5, 0.9, 0.95]) as transit_most,
        quantile_cont(door_least, [0.5, 0.9, 0.95]) as door_least,
        quantile_cont(door_most, [0.5, 0.9, 0.95]) as door_most,
        quantile_cont(ship_business, [0.5, 0.9, 0.95]) as ship_business,
        quantile_cont(warehouse_business, [0.5, 0.9, 0.95]) as warehouse_business,
        quantile_cont(waiting_business, [0.5, 0.9, 0.95]) as waiting_business
    from intermediate.order_lead_time
    group by grouping sets ((account, month_start, delivery_id), (account, month_start))

),

-- one row per measure
listed as (

    select
        account,
        month_start,
        delivery_id,
        is_all_methods,
        orders,
        unnest([
            {
                'measure': 'click_to_ship', 'hours': 'elapsed', 'n': ship_n, 'n_exact': ship_exact,
                'open_orders': not_dispatched, 'least': ship_least, 'most': ship_most
            },
            {
                'measure': 'click_to_ship', 'hours': 'business', 'n': ship_business_n, 'n_exact': ship_business_n,
                'open_orders': not_dispatched, 'least': ship_business, 'most': ship_business
            },
            {
                'measure': 'warehouse', 'hours': 'elapsed', 'n': warehouse_n, 'n_exact': warehouse_exact,
                'open_orders': not_dispatched, 'least': warehouse_least, 'most': warehouse_most
            },
            {
                'measure': 'warehouse', 'hours': 'business', 'n': warehouse_business_n,
                'n_exact': warehouse_business_n, 'open_orders': not_dispatched, 'least': warehouse_business,
                'most': warehouse_business
            },
            {
                'measure': 'waiting', 'hours': 'elapsed', 'n': waiting_n, 'n_exact': waiting_exact,
                'open_orders': not_eligible, 'least': waiting_least, 'most': waiting_most
            },
            {
                'measure': 'waiting', 'hours': 'business', 'n': waiting_business_n, 'n_exact': waiting_business_n,
                'open_orders': not_eligible, 'least': waiting_business, 'most': waiting_business
            },
            {
                'measure': 'transit', 'hours': 'elapsed', 'n': transit_n, 'n_exact': transit_exact,
                'open_orders': in_transit, 'least': transit_least, 'most': transit_most
            },
            {
                'measure': 'click_to_door', 'hours': 'elapsed', 'n': door_n, 'n_exact': door_exact,
                'open_orders': not_delivered, 'least': door_least, 'most': door_most
            }
        ], recursive := true)
    from counted

)

select
    l.account,
    l.month_start,
    l.is_all_methods,
    l.delivery_id,
    case when l.is_all_methods then 'all methods' else m.name end as delivery_name,
    l.measure,
    l.hours,
    l.orders,
    l.n,
    l.n_exact,
    l.open_orders,
    l.open_orders / nullif(l.n + l.open_orders, 0) as open_share,
    l.least[1] / 3600.0 as p50_least,
    l.most[1] / 3600.0 as p50_most,
    l.least[2] / 3600.0 as p90_least,
    l.most[2] / 3600.0 as p90_most,
    l.least[3] / 3600.0 as p95_least,
    l.most[3] / 3600.0 as p95_most
from listed as l
left join marts.dim_delivery_method as m
    on
        l.account = m.account
        and l.delivery_id = m.delivery_id
