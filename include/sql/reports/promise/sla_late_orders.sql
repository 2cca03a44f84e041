-- Orders that left too late or are overdue, and where their time went.
-- Grain: one row per account and order, by its latest cycle.
with

times as (

    select
        account,
        order_id,
        is_until_delivered,
        shop_hours_least,
        shop_hours_most,
        stock_hours_least,
        stock_hours_most,
        warehouse_hours_least,
        warehouse_hours_most,
        problem_hours_least,
        problem_hours_most,
        carrier_hours_least,
        carrier_hours_most
    from intermediate.sla_late_time

),

fulfillments as (

    select
        account,
        order_id,
        delivery_id,
        coalesce(restored_at_utc, created_at_utc) as begun_at_utc,
        eligible_at_utc,
        due_at_utc,
        due_date,
        dispatch_at_utc,
        dispatch_evidence,
        cancelled_at_utc,
        sla_state,
        overdue_working_days,
        waiting_business_hours,
        warehouse_business_hours,
        late_business_hours
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and sla_state in ('late', 'overdue')

),

orders as (

    select
        account,
        order_id,
        number,
        remote_number,
        created_at,
        status,
        stage,
        problem_source,
        dispatch_date
    from marts.fct_order

),

-- the shop's own wish for a later day is the shop's time, as far as nobody began before; a day written in later moved nothing
requested as (

    select
        o.*,
        f.* exclude (account, order_id),
        t.* exclude (account, order_id),
        coalesce(
            case
                when d.midnight_utc > f.begun_at_utc and d.midnight_utc <= f.eligible_at_utc
                    then date_diff('second', f.begun_at_utc, d.midnight_utc)
            end, 0
        ) / 3600.0 as requested_hours
    from orders as o
    inner join fulfillments as f
        on
            o.account = f.account
            and o.order_id = f.order_id
    inner join times as t
        on
            f.account = t.account
            and f.order_id = t.order_id
    left join intermediate.calendar_zone_day as d
        on o.dispatch_date = d.date

)

select
    r.account,
    r.order_id,
    r.number,
    r.remote_number,
    r.sla_state,
    r.status,
    r.stage,
    -- the longest stretch, by the lower bounds; ties go to whoever had the order last
    case greatest(
        coalesce(case when r.is_until_delivered then r.carrier_hours_least end, 0),
        coalesce(r.warehouse_hours_least, 0),
        r.stock_hours_least,
        r.shop_hours_least + r.requested_hours
    )
        when coalesce(case when r.is_until_delivered then r.carrier_hours_least end, -1) then 'carrier'
        when coalesce(r.warehouse_hours_least, 0)
            then case when r.problem_hours_least > 0 then 'problem' else 'warehouse' end
        when r.stock_hours_least then 'stock'
        else 'shop'
    end as longest_with,
    r.problem_source,
    r.delivery_id,
    m.name as delivery_name,
    r.created_at,
    r.eligible_at_utc,
    r.due_at_utc,
    r.due_date,
    r.dispatch_at_utc,
    r.dispatch_evidence,
    r.cancelled_at_utc,
    r.waiting_business_hours,
    r.warehouse_business_hours,
    r.late_business_hours,
    r.overdue_working_days,
    r.shop_hours_least + r.requested_hours as shop_hours_least,
    r.shop_hours_most + r.requested_hours as shop_hours_most,
    r.stock_hours_least,
    r.stock_hours_most,
    r.warehouse_hours_least,
    r.warehouse_hours_most,
    r.problem_hours_least,
    r.problem_hours_most,
    r.carrier_hours_least,
    r.carrier_hours_most
from requested as r
left join marts.dim_delivery_method as m
    on
        r.account = m.account
        and r.delivery_id = m.delivery_id
