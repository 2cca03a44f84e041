-- How fresh each staging table is.
-- Grain: one row per account and table.
with

current_run as (

    select as_of
    from meta.current_run

),

-- newest_at: the newest time a row itself states; NULL where rows state none
orders as (

    select
        account,
        'orders' as table_name,
        max(created_at) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.orders
    where _deleted_at is null
    group by account

),

movements as (

    select
        account,
        'movements' as table_name,
        max(created_at) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.movements
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
        cast(max(received_date) as timestamp) as newest_at,
        max(_last_seen_at) as last_seen_at,
        count(*) as row_count
    from staging.receivings
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

prices as (

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

all_tables as (

    select *
    from orders
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
    from prices

)

select
    t.account,
    t.table_name,
    t.row_count,
    t.newest_at,
    t.last_seen_at,
    date_diff('second', t.newest_at, r.as_of) / 3600.0 as newest_age_hours,
    date_diff('second', t.last_seen_at, r.as_of) / 3600.0 as last_seen_age_hours
from all_tables as t
cross join current_run as r
