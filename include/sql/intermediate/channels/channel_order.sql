-- Orders of the channels, each with the account of the warehouse that they go to.
-- Grain: one row per system, account and order.
with

accounts as (

    select
        system,
        account,
        warehouse_account
    from intermediate.channel_account

),

shopline_orders as (

    select
        account,
        order_id,
        order_number,
        source_status,
        state,
        state_since_utc,
        country_code,
        created_at_utc,
        first_seen_at_utc,
        quantity
    from intermediate.shopline_order

),

flickrocket_orders as (

    select
        account,
        fulfillment_id,
        cast(status as varchar) as source_status,
        first_seen_shipped_at,
        country_code,
        created_at_utc,
        quantity
    from marts.fct_flickrocket_fulfillment

),

flickrocket_states as (

    select
        source_status,
        state
    from intermediate.channel_state
    where system = 'flickrocket'

),

orders as (

    select
        'shopline' as system,
        s.*
    from shopline_orders as s
    union all by name
    select
        'flickrocket' as system,
        f.account,
        f.fulfillment_id as order_id,
        f.fulfillment_id as order_number,
        f.source_status,
        coalesce(s.state, 'unknown') as state,
        case
            when s.state = 'shipped' then staging.utc_of_second(f.first_seen_shipped_at, r.zone)
            else f.created_at_utc
        end as state_since_utc,
        f.country_code,
        f.created_at_utc,
        f.created_at_utc as first_seen_at_utc,
        f.quantity
    from flickrocket_orders as f
    left join flickrocket_states as s
        on f.source_status = s.source_status
    cross join intermediate.run_now as r

)

select
    o.*,
    coalesce(a.warehouse_account, o.account) as warehouse_account
from orders as o
left join accounts as a
    on
        o.system = a.system
        and o.account = a.account
