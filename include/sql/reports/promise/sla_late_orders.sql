-- Orders that left too late or are overdue, and where their time went.
-- Grain: one row per account and order, by its latest cycle.
with

fulfillments as (

    select
        account,
        order_id,
        cycle_no,
        delivery_id,
        created_at_utc,
        restored_at_utc,
        sent_after_utc,
        sent_at_utc,
        delivered_after_utc,
        delivered_at_utc,
        cancelled_at_utc,
        eligible_after_utc,
        eligible_at_utc,
        due_at_utc,
        due_date,
        dispatch_after_utc,
        dispatch_at_utc,
        dispatch_evidence,
        stop_event,
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

methods as (

    select
        account,
        delivery_id,
        name
    from marts.dim_delivery_method

),

zone_days as (

    select
        date,
        midnight_utc
    from intermediate.calendar_zone_day

),

current_run as (

    select now_utc
    from intermediate.run_now

),

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
    from intermediate.order_wait as w
    group by w.account, w.order_id, w.cycle_no

),

bounded as (

    select
        f.*,
        o.number,
        o.remote_number,
        o.created_at,
        o.status,
        o.stage,
        o.problem_source,
        m.name as delivery_name,
        -- the shop's own wish for a later day is the shop's time, as far as nobody began before
        coalesce(
            case
                when d.midnight_utc > coalesce(f.restored_at_utc, f.created_at_utc)
                    then date_diff('second', coalesce(f.restored_at_utc, f.created_at_utc), d.midnight_utc)
            end, 0
        ) / 3600.0 as requested_hours,
        coalesce(w.shop_hours_least, 0) as shop_hours_least,
        coalesce(w.shop_hours_most, 0) as shop_hours_most,
        coalesce(w.stock_hours_least, 0) as stock_hours_least,
        coalesce(w.stock_hours_most, 0) as stock_hours_most,
        coalesce(w.problem_hours_least, 0) as problem_hours_least,
        coalesce(w.problem_hours_most, 0) as problem_hours_most,
        coalesce(f.dispatch_after_utc, f.cancelled_at_utc, r.now_utc) as ended_after_utc,
        coalesce(f.dispatch_at_utc, f.cancelled_at_utc, r.now_utc) as ended_at_utc,
        r.now_utc
    from orders as o
    inner join fulfillments as f
        on
            o.account = f.account
            and o.order_id = f.order_id
    left join methods as m
        on
            f.account = m.account
            and f.delivery_id = m.delivery_id
    left join waits as w
        on
            f.account = w.account
            and f.order_id = w.order_id
            and f.cycle_no = w.cycle_no
    left join zone_days as d
        on o.dispatch_date = d.date
    cross join current_run as r

),

split as (

    select
        *,
        -- the warehouse has the order from the moment it could begin until it has left its hands
        case
            -- greatest() passes over NULL: what is not known is not none
            when eligible_at_utc is null then null
            when stop_event = 'delivered' and sent_at_utc is not null
                then greatest(date_diff('second', eligible_at_utc, sent_after_utc), 0)
            else greatest(date_diff('second', eligible_at_utc, ended_after_utc), 0)
        end / 3600.0 as warehouse_hours_least,
        case
            when eligible_after_utc is null then null
            when stop_event = 'delivered' and sent_at_utc is not null
                then greatest(date_diff('second', eligible_after_utc, sent_at_utc), 0)
            else greatest(date_diff('second', eligible_after_utc, ended_at_utc), 0)
        end / 3600.0 as warehouse_hours_most,
        case
            when sent_at_utc is not null
                then greatest(date_diff('second', sent_at_utc, coalesce(delivered_after_utc, now_utc)), 0) / 3600.0
        end as carrier_hours_least,
        case
            when sent_at_utc is not null
                then greatest(date_diff('second', sent_after_utc, coalesce(delivered_at_utc, now_utc)), 0) / 3600.0
        end as carrier_hours_most
    from bounded

)

select
    account,
    order_id,
    number,
    remote_number,
    sla_state,
    status,
    stage,
    -- the longest stretch, by the lower bounds; ties go to whoever had the order last
    case greatest(
        coalesce(case when stop_event = 'delivered' then carrier_hours_least end, 0),
        coalesce(warehouse_hours_least, 0),
        stock_hours_least,
        shop_hours_least + requested_hours
    )
        when coalesce(case when stop_event = 'delivered' then carrier_hours_least end, -1) then 'carrier'
        when coalesce(warehouse_hours_least, 0) then case when problem_hours_least > 0 then 'problem' else 'warehouse' end
        when stock_hours_least then 'stock'
        else 'shop'
    end as longest_with,
    problem_source,
    delivery_id,
    delivery_name,
    created_at,
    eligible_at_utc,
    due_at_utc,
    due_date,
    dispatch_at_utc,
    dispatch_evidence,
    cancelled_at_utc,
    waiting_business_hours,
    warehouse_business_hours,
    late_business_hours,
    overdue_working_days,
    shop_hours_least + requested_hours as shop_hours_least,
    shop_hours_most + requested_hours as shop_hours_most,
    stock_hours_least,
    stock_hours_most,
    warehouse_hours_least,
    warehouse_hours_most,
    problem_hours_least,
    problem_hours_most,
    carrier_hours_least,
    carrier_hours_most
from split
