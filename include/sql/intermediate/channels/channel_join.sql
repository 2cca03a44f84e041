-- Orders of both sides that name one of the other or are named by one, and which it is where there is one.
-- Grain: one row per system, account and order.
with

matches as (

    select
        system,
        account,
        order_id,
        warehouse_account,
        warehouse_order_id,
        rule_no,
        is_exact,
        warehouse_orders,
        channel_orders
    from intermediate.channel_match

),

both_sides as (

    select
        system,
        account,
        order_id,
        rule_no,
        is_exact,
        warehouse_orders as joined_orders,
        channel_orders as sharers,
        'fulfillment_cz' as joined_system,
        warehouse_account as joined_account,
        warehouse_order_id as joined_order_id
    from matches
    union all
    select
        'fulfillment_cz' as system,
        warehouse_account as account,
        warehouse_order_id as order_id,
        rule_no,
        is_exact,
        channel_orders as joined_orders,
        warehouse_orders as sharers,
        system as joined_system,
        account as joined_account,
        order_id as joined_order_id
    from matches

)

select
    system,
    account,
    order_id,
    case
        when max(joined_orders) > 1 then 'several'
        when max(sharers) > 1 then 'shared'
        else 'matched'
    end as join_state,
    min(rule_no) as join_rule_no,
    bool_and(is_exact) as is_exact_join,
    max(joined_orders) as joined_orders,
    max(joined_system) as joined_system,
    case when max(joined_orders) = 1 then max(joined_account) end as joined_account,
    case when max(joined_orders) = 1 then max(joined_order_id) end as joined_order_id
from both_sides
group by system, account, order_id
