-- Warehouses that orders are shipped from, as orders and events name them.
-- Grain: one row per account and warehouse.
with

orders as (

    select
        account,
        order_id,
        warehouse_id
    from intermediate.order_warehouse

),

facts as (

    select
        account,
        order_id,
        created_date
    from marts.fct_order

)

select
    o.account,
    o.warehouse_id,
    min(f.created_date) as first_order_date,
    max(f.created_date) as last_order_date,
    count(*) as orders
from orders as o
inner join facts as f
    on
        o.account = f.account
        and o.order_id = f.order_id
group by o.account, o.warehouse_id
