-- Orders of the warehouse, each with the channel's order that names it.
-- Grain: one row per account and order.
with

warehouse_orders as (

    select
        account,
        order_id,
        remote_number,
        created_at_utc,
        source_status,
        case
            when status = 'cancelled' then 'cancelled'
            when stage in ('carrier', 'closed') then 'shipped'
            when stage = 'unknown' then 'unknown'
            when is_on_hold then 'held'
            else 'open'
        end as state
    from marts.fct_order

),

recognised as (

    select
        account,
        order_id,
        system
    from intermediate.channel_recognised_order

),

joins as (

    select
        account,
        order_id,
        join_state,
        join_rule_no,
        is_exact_join,
        joined_orders,
        joined_system,
        joined_account,
        joined_order_id
    from intermediate.channel_join
    where system = 'fulfillment_cz'

),

-- before the first order that a channel told of it is not known which it had
heard as (

    select
        warehouse_account as account,
        system,
        min(coalesce(created_at_utc, first_seen_at_utc)) as heard_since_utc
    from intermediate.channel_order
    group by warehouse_account, system

),

-- only of the latest cycle, and only where a channel asks
changes as (

    select
        f.account,
        f.order_id,
        -- a poll sees late that it was sent; its pieces left at a time that is known
        case
            when f.sent_after_utc = f.sent_at_utc then f.sent_at_utc
            else coalesce(f.stock_out_at_utc, f.sent_at_utc, f.delivered_at_utc, f.returned_at_utc)
        end as shipped_at_utc,
        f.cancelled_at_utc
    from marts.fct_fulfillment as f
    semi join joins as j
        on
            f.account = j.account
            and f.order_id = j.order_id
    where f.is_latest_cycle

),

-- as the channel has it now, edits after it left too
pieces as (

    select
        l.account,
        l.order_id,
        cast(sum(l.quantity) as bigint) as quantity
    from staging.order_lines as l
    semi join joins as j
        on
            l.account = j.account
            and l.order_id = j.order_id
    where l._deleted_at is null
    group by l.account, l.order_id

)

select
    w.account,
    w.order_id,
    w.remote_number as order_number,
    w.created_at_utc,
    w.created_at_utc as first_seen_at_utc,
    w.source_status,
    w.state,
    case w.state
        when 'shipped' then c.shipped_at_utc
        when 'cancelled' then c.cancelled_at_utc
        else w.created_at_utc
    end as state_since_utc,
    null as country_code,
    q.quantity,
    coalesce(j.join_state, case when w.created_at_utc >= h.heard_since_utc then 'unmatched' else 'not_expected' end)
        as join_state,
    j.join_rule_no,
    j.is_exact_join,
    coalesce(j.joined_orders, 0) as joined_orders,
    coalesce(j.joined_system, r.system) as joined_system,
    j.joined_account,
    j.joined_order_id
from warehouse_orders as w
left join joins as j
    on
        w.account = j.account
        and w.order_id = j.order_id
left join changes as c
    on
        w.account = c.account
        and w.order_id = c.order_id
left join pieces as q
    on
        w.account = q.account
        and w.order_id = q.order_id
left join recognised as r
    on
        w.account = r.account
        and w.order_id = r.order_id
left join heard as h
    on
        w.account = h.account
        and r.system = h.system
