-- Orders that left too late or are overdue, the longest first to look at.
-- Grain: one row per account and order, by its latest cycle.
with

fulfillments as (

    select *
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
