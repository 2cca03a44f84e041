-- Where the time of late and overdue orders went: with the shop, the stock, the warehouse, a problem, the carrier.
-- Grain: one row per account and order, by its latest cycle.
with

fulfillments as (

    select
        account,
        order_id,
        cycle_no,
        sent_after_utc,
        sent_at_utc,
        delivered_after_utc,
        delivered_at_utc,
        cancelled_at_utc,
        eligible_after_utc,
        eligible_at_utc,
        dispatch_after_utc,
        dispatch_at_utc,
        stop_event
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and sla_state in ('late', 'overdue')

),

-- what held it up after it had left made it no later
waits as (

    select
        w.account,
        w.order_id,
        w.cycle_no,
        sum(w.hours_least) filter (where w.kind in ('hold', 'correction')) as shop_hours_least,
        sum(w.hours_most) filter (where w.kind in ('hold', 'correction')) as shop_hours_most,
        sum(w.hours_least) filter (where w.kind = 'stock') as stock_hours_least,
        sum(w.hours_most) filter (where w.kind = 'stock') as stock_hours_most,
        sum(w.hours_least) filter (where w.kind = 'problem') as problem_hours_least,
        sum(w.hours_most) filter (where w.kind = 'problem') as problem_hours_most
    from intermediate.order_wait_interval as w
    inner join fulfillments as f
        on
            w.account = f.account
            and w.order_id = f.order_id
            and w.cycle_no = f.cycle_no
            and w.began_after_utc < coalesce(f.dispatch_at_utc, f.cancelled_at_utc, timestamp 'infinity')
    group by w.account, w.order_id, w.cycle_no

),

bounded as (

    select
        f.*,
        coalesce(w.shop_hours_least, 0) as shop_hours_least,
        coalesce(w.shop_hours_most, 0) as shop_hours_most,
        coalesce(w.stock_hours_least, 0) as stock_hours_least,
        coalesce(w.stock_hours_most, 0) as stock_hours_most,
        coalesce(w.problem_hours_least, 0) as problem_hours_least,
        coalesce(w.problem_hours_most, 0) as problem_hours_most,
        -- the warehouse has the order from the moment it could begin until it has left its hands
        coalesce(f.stop_event = 'delivered' and f.sent_at_utc is not null, false) as is_carried,
        coalesce(f.dispatch_after_utc, f.cancelled_at_utc, r.now_utc) as ended_after_utc,
        coalesce(f.dispatch_at_utc, f.cancelled_at_utc, r.now_utc) as ended_at_utc,
        r.now_utc
    from fulfillments as f
    left join waits as w
        on
            f.account = w.account
            and f.order_id = w.order_id
            and f.cycle_no = w.cycle_no
    cross join intermediate.run_now as r

)

select
    account,
    order_id,
    stop_event = 'delivered' as is_until_delivered,
    shop_hours_least,
    shop_hours_most,
    stock_hours_least,
    stock_hours_most,
    intermediate.hours_between(eligible_at_utc, case when is_carried then sent_after_utc else ended_after_utc end)
        as warehouse_hours_least,
    intermediate.hours_between(eligible_after_utc, case when is_carried then sent_at_utc else ended_at_utc end)
        as warehouse_hours_most,
    problem_hours_least,
    problem_hours_most,
    intermediate.hours_between(sent_at_utc, coalesce(delivered_after_utc, now_utc)) as carrier_hours_least,
    case
        when sent_at_utc is not null
            then intermediate.hours_between(sent_after_utc, coalesce(delivered_at_utc, now_utc))
    end as carrier_hours_most
from bounded
