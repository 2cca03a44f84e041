-- Which orders of the warehouse a channel's order names: by the first rule that names any, the same text before one alike.
-- Grain: one row per system, account, order and order of the warehouse.
with

rules as (

    select
        system,
        rule_no,
        channel_key,
        warehouse_key
    from intermediate.channel_join_rule

),

channel_orders as (

    select
        system,
        account,
        order_id,
        order_number,
        warehouse_account
    from intermediate.channel_order

),

warehouse_orders as (

    select
        account,
        order_id,
        number,
        remote_number,
        status = 'cancelled' as is_cancelled
    from marts.fct_order

),

wanted_numbers as (

    select
        o.system,
        o.account,
        o.order_id,
        o.warehouse_account,
        r.rule_no,
        r.warehouse_key,
        case r.channel_key when 'order_id' then o.order_id else o.order_number end as number
    from channel_orders as o
    inner join rules as r
        on o.system = r.system

),

wanted as (

    select
        system,
        account,
        order_id,
        warehouse_account,
        rule_no,
        warehouse_key,
        staging.bare_of(number) as text,
        intermediate.order_key(number) as key
    from wanted_numbers

),

warehouse_keys as (

    select distinct warehouse_key
    from rules

),

named_numbers as (

    select
        o.account,
        o.order_id,
        o.is_cancelled,
        k.warehouse_key,
        case k.warehouse_key when 'number' then o.number when 'order_id' then o.order_id else o.remote_number end
            as number
    from warehouse_orders as o
    cross join warehouse_keys as k

),

named as (

    select
        account,
        order_id,
        is_cancelled,
        warehouse_key,
        staging.bare_of(number) as text,
        intermediate.order_key(number) as key
    from named_numbers

),

-- a cancelled order counts only where there is no other: it was entered again
pairs as (

    select
        w.system,
        w.account,
        w.order_id,
        w.warehouse_account,
        n.order_id as warehouse_order_id,
        w.rule_no,
        w.text = n.text as is_exact
    from wanted as w
    inner join named as n
        on
            w.warehouse_account = n.account
            and w.warehouse_key = n.warehouse_key
            and w.key = n.key
    qualify
        rank() over (
            partition by w.system, w.account, w.order_id
            order by w.rule_no, w.text <> n.text, n.is_cancelled
        ) = 1

)

select
    system,
    account,
    order_id,
    warehouse_account,
    warehouse_order_id,
    rule_no,
    is_exact,
    count(*) over (partition by system, account, order_id) as warehouse_orders,
    count(*) over (partition by warehouse_account, warehouse_order_id) as channel_orders
from pairs
