-- The warehouse that ships an order: what the order says, else the latest event that names one.
-- Grain: one row per account and order that anything names a warehouse of.
with

orders as (

    select
        account,
        order_id,
        warehouse_id
    from staging.orders
    where
        _deleted_at is null
        and warehouse_id is not null

),

latest as (

    select
        account,
        order_id,
        arg_max_null(warehouse_id, (happened_at_utc, received_no)) as warehouse_id
    from intermediate.order_warehouse_event
    group by account, order_id

)

select
    account,
    order_id,
    warehouse_id
from orders
union all
select
    l.account,
    l.order_id,
    l.warehouse_id
from latest as l
anti join orders as o
    on
        l.account = o.account
        and l.order_id = o.order_id
