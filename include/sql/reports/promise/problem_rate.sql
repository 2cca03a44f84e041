-- How many of the orders that reached dispatch had a problem, and whose.
-- Grain: one row per account, month of creation and source of the problem.
with

fulfillments as (

    select
        account,
        order_id,
        created_at_utc,
        is_latest_cycle,
        first_stock_out_at_utc is not null
        or pushed_at_utc is not null
        or packed_at_utc is not null
        or sent_at_utc is not null
        or problem_began_at_utc is not null as is_reached
    from marts.fct_fulfillment

),

-- few orders have an earlier cycle
reached_before as (

    select distinct
        account,
        order_id
    from fulfillments
    where is_reached and not is_latest_cycle

),

reached as (

    select
        f.account,
        f.created_at_utc
    from fulfillments as f
    left join reached_before as b
        on
            f.account = b.account
            and f.order_id = b.order_id
    where
        f.is_latest_cycle
        and (f.is_reached or b.order_id is not null)

),

reached_monthly as (

    select
        r.account,
        intermediate.local_month_of(r.created_at_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after) as month_start,
        count(*) as orders_in_dispatch
    from reached as r
    inner join intermediate.calendar_zone_day as z
        on cast(r.created_at_utc as date) = z.date
    group by all

),

by_source as (

    select
        account,
        cast(date_trunc('month', created_date) as date) as month_start,
        problem_source,
        count(distinct order_id) as orders,
        count(*) as problems,
        count(*) filter (where is_open) as open_problems,
        -- whole seconds add up to the same whatever their order
        sum(cast(round(hours_least * 3600) as bigint)) / 3600.0 as hours_least,
        sum(cast(round(hours_most * 3600) as bigint)) / 3600.0 as hours_most
    from reports.problem_orders
    group by all

)

select
    p.account,
    p.month_start,
    p.problem_source,
    m.orders_in_dispatch,
    p.orders,
    p.orders / m.orders_in_dispatch as problem_rate,
    p.problems,
    p.open_problems,
    p.hours_least,
    p.hours_most
from by_source as p
inner join reached_monthly as m
    on
        p.account = m.account
        and p.month_start = m.month_start
