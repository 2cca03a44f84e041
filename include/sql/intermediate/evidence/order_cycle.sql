-- The cycles of orders: the first begins with the creation, a further one with each restore.
-- Grain: one row per order and cycle.
with

orders as (

    select
        account,
        order_id,
        order_no,
        created_at_utc,
        created_date,
        delivery_id,
        warehouse_id,
        dispatch_date
    from intermediate.order_base

),

restores as (

    select
        order_no,
        cycle_no,
        after_utc,
        at_utc,
        evidence
    from intermediate.order_restart
    where is_restored

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
