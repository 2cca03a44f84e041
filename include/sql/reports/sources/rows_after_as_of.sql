-- Rows the sources date later than the run's now: in no figure of today, and in all once their time has come.
-- Grain: one row per account, table and key.
with

current_run as (

    select
        as_of,
        now_utc
    from intermediate.run_now

),

movements as (

    select
        account,
        'movements' as table_name,
        cast(movement_id as varchar) as row_key,
        moved_at as stated_at
    from intermediate.later_movement

),

orders as (

    select
        account,
        'orders' as table_name,
        order_id as row_key,
        created_at as stated_at
    from staging.orders
    cross join current_run
    where
        _deleted_at is null
        and created_at_utc > now_utc

),

webhook_events as (

    select
        account,
        'webhook_events' as table_name,
        source || '/' || event_id as row_key,
        occurred_at as stated_at
    from staging.webhook_events
    cross join current_run
    where
        _deleted_at is null
        and occurred_at_utc > now_utc

),

stock_requests as (

    select
        account,
        'stock_requests' as table_name,
        cast(request_id as varchar) as row_key,
        created_at as stated_at
    from staging.stock_requests
    cross join current_run
    where
        _deleted_at is null
        and created_at_utc > now_utc

),

flickrocket_fulfillments as (

    select
        account,
        'flickrocket_fulfillments' as table_name,
        fulfillment_id as row_key,
        created_at as stated_at
    from staging.flickrocket_fulfillments
    cross join current_run
    where
        _deleted_at is null
        and created_at_utc > now_utc

),

receivings as (

    select
        account,
        'receivings' as table_name,
        cast(receiving_id as varchar) as row_key,
        cast(received_date as timestamp) as stated_at
    from staging.receivings
    cross join current_run
    where
        _deleted_at is null
        and received_date > cast(as_of as date)

),

currency_rates as (

    select
        account,
        'currency_rates' as table_name,
        currency || '/' || rate_date as row_key,
        cast(rate_date as timestamp) as stated_at
    from staging.currency_rates
    cross join current_run
    where
        _deleted_at is null
        and rate_date > cast(as_of as date)

),

later as (

    select *
    from movements
    union all
    select *
    from orders
    union all
    select *
    from webhook_events
    union all
    select *
    from stock_requests
    union all
    select *
    from flickrocket_fulfillments
    union all
    select *
    from receivings
    union all
    select *
    from currency_rates

)

select
    l.account,
    l.table_name,
    l.row_key,
    l.stated_at,
    r.as_of,
    case l.table_name
        when 'movements' then 'moved after now'
        when 'orders' then 'created after now'
        when 'webhook_events' then 'happened after now'
        when 'stock_requests' then 'requested after now'
        when 'flickrocket_fulfillments' then 'ordered after now'
        when 'receivings' then 'received after today'
        else 'rate of a day after today'
    end as reason
from later as l
cross join current_run as r
