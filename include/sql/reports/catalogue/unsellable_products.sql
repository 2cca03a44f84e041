-- Products on offer that have no valid price.
-- Grain: one row per system, account and product.
with

products as (

    select
        account,
        product_number,
        product_id,
        product_type,
        title
    from staging.flickrocket_products
    where
        _deleted_at is null
        and coalesce(is_valid, true)

),

bindings as (

    select
        account,
        product_number,
        price_id
    from staging.flickrocket_product_prices
    where _deleted_at is null

),

variants as (

    select
        account,
        variant_id,
        code,
        product_name,
        price_retail
    from marts.dim_variant
    where
        is_current
        and deleted_at is null

),

prices as (

    select
        account,
        price_id,
        bool_or(coalesce(is_valid, true) and amount > 0) as is_valid
    from marts.fct_price
    where is_current
    group by account, price_id

),

priced as (

    select
        b.account,
        b.product_number,
        count(*) as prices,
        coalesce(bool_or(p.is_valid), false) as has_valid
    from bindings as b
    left join prices as p
        on
            b.account = p.account
            and b.price_id = p.price_id
    group by b.account, b.product_number

)

select
    'flickrocket' as system,
    p.account,
    cast(p.product_number as varchar) as product,
    p.product_id as code,
    p.title,
    p.product_type = 6 as is_physical,
    case when r.prices is null then 'no_price' else 'no_valid_price' end as reason
from products as p
left join priced as r
    on
        p.account = r.account
        and p.product_number = r.product_number
where not coalesce(r.has_valid, false)
union all
select
    'fulfillment_cz' as system,
    account,
    cast(variant_id as varchar) as product,
    code,
    product_name as title,
    true as is_physical,
    case when price_retail is null then 'no_price' else 'price_of_zero' end as reason
from variants
where coalesce(price_retail, 0) <= 0
