-- Every order that has not left, with how soon it has to.
-- Grain: one row per account and order, by its latest cycle.
with

fulfillments as (

    select
        account,
        order_id,
        cycle_no,
        delivery_id,
        created_at_utc,
        eligible_at_utc,
        due_date,
        due_at_utc,
        sla_state,
        not_eligible_reason,
        overdue_working_days
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and dispatch_at_utc is null
        and cancelled_at_utc is null
        and sent_at_utc is null
        and delivered_at_utc is null
        and returned_at_utc is null

),

current_run as (

    select
        cast(as_of as date) as today,
        now_utc
    from intermediate.run_now

)

select
    f.account,
    f.order_id,
    o.number,
    o.remote_number,
    case
        when f.not_eligible_reason is not null then 'not_eligible_' || f.not_eligible_reason
        when f.due_at_utc is null then 'no_promise_known'
        when f.sla_state = 'unknown' then 'perhaps_overdue'
        when f.sla_state = 'overdue' and f.overdue_working_days >= 1 then 'overdue_more_than_a_day'
        when f.sla_state = 'overdue' then 'overdue'
        when f.due_date = r.today then 'due_today'
        when f.due_date = r.today + 1 then 'due_tomorrow'
        else 'due_later'
    end as bucket,
    f.sla_state,
    o.status,
    o.stage,
    o.problem_source,
    f.delivery_id,
    m.name as delivery_name,
    o.created_at,
    f.created_at_utc,
    f.eligible_at_utc,
    f.due_date,
    f.due_at_utc,
    f.overdue_working_days,
    greatest(date_diff('second', f.created_at_utc, r.now_utc), 0) / 3600.0 as age_hours,
    o.currency,
    o.goods_value
from marts.fct_order as o
inner join fulfillments as f
    on
        o.account = f.account
        and o.order_id = f.order_id
left join marts.dim_delivery_method as m
    on
        f.account = m.account
        and f.delivery_id = m.delivery_id
cross join current_run as r
