-- How fresh each staging table is.
-- Grain: one row per account and table.
with

current_run as (

    select as_of
    from meta.current_run

),

-- newest_at: the newest time up to now that a row itself states; NULL where rows state none
orders as (

    select
        account,
        'orders' as table_name,
        max(created_at) filter (where created_at <= as_of) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.orders
    cross join current_run
    where _deleted_at is null
    group by account

),

order_lines as (

    select
        account,
        'order_lines' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.order_lines
    where _deleted_at is null
    group by account

),

order_stock_items as (

    select
        account,
        'order_stock_items' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.order_stock_items
    where _deleted_at is null
    group by account

),

order_packages as (

    select
        account,
        'order_packages' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.order_packages
    where _deleted_at is null
    group by account

),

movements as (

    select
        account,
        'movements' as table_name,
        max(created_at) filter (where created_at <= as_of) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.movements
    cross join current_run
    where _deleted_at is null
    group by account

),

stock_levels as (

    select
        account,
        'stock_levels' as table_name,
        max(snapshot_at) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.stock_levels
    where _deleted_at is null
    group by account

),

receivings as (

    select
        account,
        'receivings' as table_name,
        max(cast(received_date as timestamp)) filter (where cast(received_date as timestamp) <= as_of) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.receivings
    cross join current_run
    where _deleted_at is null
    group by account

),

receiving_lines as (

    select
        account,
        'receiving_lines' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.receiving_lines
    where _deleted_at is null
    group by account

),

receiving_stock_items as (

    select
        account,
        'receiving_stock_items' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.receiving_stock_items
    where _deleted_at is null
    group by account

),

products as (

    select
        account,
        'products' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.products
    where _deleted_at is null
    group by account

),

variants as (

    select
        account,
        'variants' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.variants
    where _deleted_at is null
    group by account

),

categories as (

    select
        account,
        'categories' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.categories
    where _deleted_at is null
    group by account

),

deliveries as (

    select
        account,
        'deliveries' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.deliveries
    where _deleted_at is null
    group by account

),

delivery_places as (

    select
        account,
        'delivery_places' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.delivery_places
    where _deleted_at is null
    group by account

),

stock_requests as (

    select
        account,
        'stock_requests' as table_name,
        max(created_at) filter (where created_at <= as_of) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.stock_requests
    cross join current_run
    where _deleted_at is null
    group by account

),

replenishment_rules as (

    select
        account,
        'replenishment_rules' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.replenishment_rules
    where _deleted_at is null
    group by account

),

flickrocket_prices as (

    select
        account,
        'flickrocket_prices' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.flickrocket_prices
    where _deleted_at is null
    group by account

),

flickrocket_products as (

    select
        account,
        'flickrocket_products' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.flickrocket_products
    where _deleted_at is null
    group by account

),

flickrocket_product_prices as (

    select
        account,
        'flickrocket_product_prices' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.flickrocket_product_prices
    where _deleted_at is null
    group by account

),

flickrocket_fulfillments as (

    select
        account,
        'flickrocket_fulfillments' as table_name,
        max(created_at) filter (where created_at <= as_of) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.flickrocket_fulfillments
    cross join current_run
    where _deleted_at is null
    group by account

),

flickrocket_fulfillment_lines as (

    select
        account,
        'flickrocket_fulfillment_lines' as table_name,
        cast(null as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.flickrocket_fulfillment_lines
    where _deleted_at is null
    group by account

),

currency_rates as (

    select
        account,
        'currency_rates' as table_name,
        max(cast(rate_date as timestamp)) filter (where cast(rate_date as timestamp) <= as_of) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.currency_rates
    cross join current_run
    where _deleted_at is null
    group by account

),

all_tables as (

    select *
    from orders
    union all
    select *
    from order_lines
    union all
    select *
    from order_stock_items
    union all
    select *
    from order_packages
    union all
    select *
    from movements
    union all
    select *
    from stock_levels
    union all
    select *
    from receivings
    union all
    select *
    from receiving_lines
    union all
    select *
    from receiving_stock_items
    union all
    select *
    from products
    union all
    select *
    from variants
    union all
    select *
    from categories
    union all
    select *
    from deliveries
    union all
    select *
    from delivery_places
    union all
    select *
    from stock_requests
    union all
    select *
    from replenishment_rules
    union all
    select *
    from flickrocket_prices
    union all
    select *
    from flickrocket_products
    union all
    select *
    from flickrocket_product_prices
    union all
    select *
    from flickrocket_fulfillments
    union all
    select *
    from flickrocket_fulfillment_lines
    union all
    select *
    from currency_rates

)

select
    t.account,
    t.table_name,
    t.row_count,
    t.newest_at,
    t.last_seen_at,
    case when t.newest_at is not null then greatest(date_diff('second', t.newest_at, r.as_of), 0) / 3600.0 end
        as newest_age_hours,
    case when t.last_seen_at is not null then greatest(date_diff('second', t.last_seen_at, r.as_of), 0) / 3600.0 end
        as last_seen_age_hours
from all_tables as t
cross join current_run as r
