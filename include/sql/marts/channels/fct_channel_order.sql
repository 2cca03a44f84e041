-- Orders of all three systems, each with the order of the other side that it is.
-- Grain: one row per system, account and order.
with

channel_orders as (

    select
        system,
        account,
        order_id,
        order_number,
        created_at_utc,
        first_seen_at_utc,
        source_status,
        state,
        state_since_utc,
        country_code,
        quantity,
        warehouse_account
    from intermediate.channel_order

),

joins as (

    select
        system,
        account,
        order_id,
        join_state,
        join_rule_no,
        is_exact_join,
        joined_orders,
        joined_order_id
    from intermediate.channel_join

),

policies as (

    select
        system,
        is_forwarded
    from intermediate.channel_policy

)

select
    o.system,
    o.account,
    o.order_id,
    o.order_number,
    o.created_at_utc,
    o.first_seen_at_utc,
    o.source_status,
    o.state,
    o.state_since_utc,
    o.country_code,
    o.quantity,
    coalesce(j.join_state, case when p.is_forwarded then 'unmatched' else 'not_expected' end) as join_state,
    j.join_rule_no,
    j.is_exact_join,
    coalesce(j.joined_orders, 0) as joined_orders,
    'fulfillment_cz' as joined_system,
    o.warehouse_account as joined_account,
    j.joined_order_id
from channel_orders as o
left join joins as j
    on
        o.system = j.system
        and o.account = j.account
        and o.order_id = j.order_id
left join policies as p
    on o.system = p.system
union all by name
select
    'fulfillment_cz' as system,
    *
from intermediate.warehouse_channel_order
