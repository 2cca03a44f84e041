-- Orders of which a line or another part was set aside when they were last read.
-- Grain: one row per order; few orders have any.
with

refusals as (

    select
        account,
        table_name,
        parent_key,
        _run_id,
        _first_seen_at
    from staging.quarantine
    where
        table_name in ('order_lines', 'order_stock_items', 'order_packages')
        and parent_key is not null

),

orders as (

    select
        account,
        order_id,
        _last_seen_at
    from staging.orders
    where (account, order_id) in (select (account, parent_key) from refusals)

)

select
    k.order_no,
    min(r.table_name) as table_name
from refusals as r
inner join orders as o
    on
        r.account = o.account
        and r.parent_key = o.order_id
inner join intermediate.order_base as k
    on
        o.account = k.account
        and o.order_id = k.order_id
cross join meta.current_run as n
-- what an earlier reading refused says nothing of a later one
where
    r._first_seen_at >= o._last_seen_at
    or r._run_id = n.run_id
group by k.order_no
