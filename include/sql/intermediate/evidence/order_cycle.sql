-- The cycles of orders: the first begins with the creation, a further one with each restore.
-- Grain: one row per order and cycle.
with

restores as (

    select
        order_no,
        cycle_no,
        after_utc,
        at_utc,
        evidence
    from intermediate.order_restart
    where is_restored

),

-- what was edited after it had left chooses no other promise
orders as (

    select
        k.account,
        k.order_id,
        k.order_no,
        k.created_at_utc,
        k.created_date,
        case when r.order_no is null then k.delivery_id else r.delivery_id end as delivery_id,
        case when r.order_no is null then k.warehouse_id else r.warehouse_id end as warehouse_id,
        k.dispatch_date
    from intermediate.order_base as k
    left join intermediate.order_route as r
        on k.order_no = r.order_no

)

select
    *,
    1 as cycle_no,
    created_at_utc as begun_after_utc,
    created_at_utc as begun_at_utc,
    cast(null as varchar) as restored_evidence
from orders
union all
select
    o.*,
    r.cycle_no,
    r.after_utc as begun_after_utc,
    r.at_utc as begun_at_utc,
    r.evidence as restored_evidence
from orders as o
inner join restores as r
    on o.order_no = r.order_no
