-- What the status texts of orders mean.
-- Grain: one row per account and source status text, seen or mapped.
with

orders as (

    select
        account,
        source_status
    from staging.orders
    union
    select
        account,
        source_status
    from staging.orders_history

),

texts as (

    select
        account,
        source_status,
        true as is_seen
    from orders
    where source_status is not null
    union all
    select
        a.account,
        m.source_status,
        false as is_seen
    from (select distinct account from orders) as a
    cross join intermediate.order_status_map as m

)

select
    t.account,
    t.source_status,
    coalesce(any_value(m.status), 'unmapped') as status,
    coalesce(any_value(m.stage), 'unknown') as stage,
    coalesce(any_value(m.is_final), false) as is_final,
    bool_or(t.is_seen) as is_seen
from texts as t
left join intermediate.order_status_map as m
    on t.source_status = m.source_status
group by t.account, t.source_status
