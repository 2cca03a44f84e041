-- Orders that left too late or are overdue, the longest first to look at.
-- Grain: one row per account and order, by its latest cycle.
with

fulfillments as (

    select
        account,
        order_id,
        cycle_no,
        is_latest_cycle,
        delivery_id,
        policy_version,
        calendar_version,
        stop_event,
        created_at_utc,
        released_after_utc,
        released_at_utc,
        released_evidence,
        stock_ready_after_utc,
        stock_ready_at_utc,
        stock_ready_evidence,
        first_stock_out_at_utc,
        stock_out_at_utc,
        stock_out_evidence,
        packed_after_utc,
        packed_at_utc,
        packed_evidence,
        sent_after_utc,
        sent_at_utc,
        sent_evidence,
        delivered_after_utc,
        delivered_at_utc,
        delivered_evidence,
        returned_after_utc,
        returned_at_utc,
        returned_evidence,
        cancelled_after_utc,
        cancelled_at_utc,
        cancelled_evidence,
        restored_after_utc,
        restored_at_utc,
        restored_evidence,
        problem_began_after_utc,
        problem_began_at_utc,
        problem_ended_after_utc,
        problem_ended_at_utc,
        eligible_after_utc,
        eligible_at_utc,
        eligible_evidence,
        not_eligible_reason,
        due_after_utc,
        due_at_utc,
        due_date,
        dispatch_after_utc,
        dispatch_at_utc,
        dispatch_evidence,
        sla_state,
        could_be_on_time,
        could_be_late,
        overdue_working_days,
        click_to_ship_hours,
        click_to_ship_business_hours,
        warehouse_hours,
        warehouse_business_hours,
        waiting_hours,
        waiting_business_hours,
        late_business_hours,
        is_in_full,
        is_otif,
        is_perfect
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
        problem_source
    from marts.fct_order

),

methods as (

    select
        account,
        delivery_id,
        name
    from marts.dim_delivery_method

)

select
    f.account,
    f.order_id,
    o.number,
    o.remote_number,
    f.sla_state,
    o.status,
    o.stage,
    o.problem_source,
    m.name as delivery_name,
    o.created_at,
    f.eligible_at_utc,
    f.due_at_utc,
    f.due_date,
    f.dispatch_at_utc,
    f.dispatch_evidence,
    f.cancelled_at_utc,
    f.waiting_business_hours,
    f.warehouse_business_hours,
    f.late_business_hours,
    f.overdue_working_days
from fulfillments as f
inner join orders as o
    on
        f.account = o.account
        and f.order_id = o.order_id
left join methods as m
    on
        f.account = m.account
        and f.delivery_id = m.delivery_id
