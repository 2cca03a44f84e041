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

policies as (

    select
        system,
        is_forwarded,
        recognised_by
    from intermediate.channel_policy

),

channel_joins as (

    select
        system,
        account,
        order_id,
        any_value(rule_no) as rule_no,
        bool_and(is_exact) as is_exact,
        any_value(warehouse_orders) as partners,
        max(channel_orders) as sharers,
        max(warehouse_order_id) as partner_id
    from matches
    group by system, account, order_id

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
    case
        when j.partners > 1 then 'several'
        when j.sharers > 1 then 'shared'
        when j.partners = 1 then 'matched'
        when coalesce(p.is_forwarded, false) then 'unmatched'
        else 'not_expected'
    end as join_state,
    j.rule_no as join_rule_no,
    j.is_exact as is_exact_join,
    coalesce(j.partners, 0) as joined_orders,
    'fulfillment_cz' as joined_system,
    o.warehouse_account as joined_account,
    case when j.partners = 1 then j.partner_id end as joined_order_id
from channel_orders as o
left join channel_joins as j
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
