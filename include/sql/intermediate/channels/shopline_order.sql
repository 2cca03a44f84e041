-- SHOPLINE's orders, put together of their fulfillment orders.
-- Grain: one row per account and order; a fulfillment order whose order no body named stands for itself.
with

fulfillment_orders as (

    select
        account,
        fulfillment_order_id,
        coalesce(order_id, fulfillment_order_id) as order_id,
        order_id is not null as is_order_known,
        status,
        destination_country_code,
        created_at_utc,
        quantity,
        first_received_at_utc
    from marts.fct_shopline_fulfillment_order

),

states as (

    select
        source_status,
        state
    from intermediate.channel_state
    where system = 'shopline'

),

changes as (

    select
        account,
        fulfillment_order_id,
        max(received_at_utc) as state_since_utc
    from marts.fct_shopline_fulfillment_order_status
    where is_new_status
    group by account, fulfillment_order_id

),

-- a parcel is called after the order, with its own number behind a dot
order_numbers as (

    select
        account,
        order_id,
        min(regexp_replace(ltrim(name, '#'), '\.[0-9]+$', '')) as order_number
    from marts.fct_shopline_fulfillment
    where
        order_id is not null
        and name is not null
    group by account, order_id

),

orders as (

    select
        f.account,
        f.order_id,
        bool_and(f.is_order_known) as is_order_known,
        string_agg(distinct f.status, ', ' order by f.status) as source_status,
        bool_and(s.state is not null) as is_mapped,
        bool_and(coalesce(s.state = 'cancelled', false)) as is_cancelled,
        bool_and(s.state = 'shipped') filter (where s.state is distinct from 'cancelled') as is_shipped,
        bool_or(s.state = 'held') as is_held,
        min(f.destination_country_code) as country_code,
        min(f.created_at_utc) as created_at_utc,
        min(f.first_received_at_utc) as first_seen_at_utc,
        max(coalesce(c.state_since_utc, f.first_received_at_utc)) as state_since_utc,
        count(*) as fulfillment_orders,
        -- what is cancelled is not wanted any more; of a part without lines nobody knows
        case
            when bool_and(f.quantity is not null) filter (where s.state is distinct from 'cancelled')
                then cast(sum(f.quantity) filter (where s.state is distinct from 'cancelled') as bigint)
        end as quantity
    from fulfillment_orders as f
    left join states as s
        on f.status = s.source_status
    left join changes as c
        on
            f.account = c.account
            and f.fulfillment_order_id = c.fulfillment_order_id
    group by f.account, f.order_id

)

select
    o.account,
    o.order_id,
    o.is_order_known,
    n.order_number,
    o.source_status,
    case
        when o.is_cancelled then 'cancelled'
        when not o.is_mapped then 'unknown'
        when o.is_shipped then 'shipped'
        when o.is_held then 'held'
        else 'open'
    end as state,
    o.state_since_utc,
    o.country_code,
    o.created_at_utc,
    o.first_seen_at_utc,
    o.fulfillment_orders,
    o.quantity
from orders as o
left join order_numbers as n
    on
        o.account = n.account
        and o.order_id = n.order_id
