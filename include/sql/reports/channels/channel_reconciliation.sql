-- Where the channels and the warehouse do not say the same of an order.
-- Grain: one row per system, account, order and difference.
with

orders as (

    select
        system,
        account,
        order_id,
        order_number,
        created_at_utc,
        first_seen_at_utc,
        state,
        state_since_utc,
        quantity,
        join_state,
        is_exact_join,
        joined_orders,
        joined_system,
        joined_account,
        joined_order_id
    from marts.fct_channel_order
    where join_state <> 'not_expected'

),

policies as (

    select
        system,
        grace_hours
    from intermediate.channel_policy

),

-- one of the two rows of a pair is enough: the channel's
compared as (

    select
        o.*,
        w.order_number as joined_order_number,
        w.state as joined_state,
        w.quantity as joined_quantity,
        greatest(coalesce(o.created_at_utc, o.first_seen_at_utc), w.created_at_utc) as both_since_utc,
        greatest(o.state_since_utc, w.state_since_utc) as states_since_utc,
        case when o.state = 'held' then 'open' else o.state end as compared_state,
        case when w.state = 'held' then 'open' else w.state end as joined_compared_state
    from orders as o
    left join orders as w
        on
            o.joined_system = w.system
            and o.joined_account = w.account
            and o.joined_order_id = w.order_id
    where
        o.system <> 'fulfillment_cz'
        or o.join_state = 'unmatched'

),

differences as (

    select
        c.*,
        unnest([
            case
                when c.join_state = 'unmatched' and c.state <> 'cancelled'
                    then case when c.system = 'fulfillment_cz' then 'missing_in_channel' else 'missing_in_warehouse' end
                when c.join_state = 'several' then 'several_warehouse_orders'
                when c.join_state = 'shared' then 'shared_warehouse_order'
            end,
            case
                when
                    c.join_state = 'matched'
                    and c.quantity <> c.joined_quantity
                    and 'cancelled' not in (c.state, c.joined_state)
                    then 'differing_quantity'
            end,
            case
                when
                    c.join_state = 'matched'
                    and c.compared_state <> c.joined_compared_state
                    and 'unknown' not in (c.state, c.joined_state)
                    then 'differing_state'
            end
        ]) as difference
    from compared as c

),

dated as (

    select
        d.*,
        case
            when d.difference = 'differing_state' then coalesce(d.states_since_utc, d.both_since_utc)
            when d.difference = 'differing_quantity' then d.both_since_utc
            else coalesce(d.created_at_utc, d.first_seen_at_utc)
        end as since_utc
    from differences as d
    where d.difference is not null

)

select
    d.system,
    d.account,
    d.order_id,
    d.difference,
    d.order_number,
    d.state,
    d.quantity,
    d.joined_orders,
    d.joined_system,
    d.joined_account,
    d.joined_order_id,
    d.joined_order_number,
    d.joined_state,
    d.joined_quantity,
    d.since_utc,
    intermediate.hours_between(d.since_utc, r.now_utc) as hours
from dated as d
cross join intermediate.run_now as r
left join policies as p
    on case when d.system = 'fulfillment_cz' then d.joined_system else d.system end = p.system
where coalesce(date_diff('second', d.since_utc, r.now_utc) >= p.grace_hours * 3600, true)
