-- Versions of a price that differ from the one before in the price itself; a version may differ in something else.
-- Grain: one row per account, subject and version.
with

asked_prices as (

    select
        account,
        'FlickRocket price ' || cast(price_id as varchar) || ' ' || market_code as subject,
        version_no,
        amount as price,
        valid_from
    from marts.fct_price

),

variant_prices as (

    select
        account,
        unnest([
            'purchase price of variant ' || cast(variant_id as varchar),
            'retail price of variant ' || cast(variant_id as varchar)
        ]) as subject,
        version_no,
        unnest([price_purchase, price_retail]) as price,
        valid_from
    from marts.dim_variant

),

prices as (

    select *
    from asked_prices
    union all
    select *
    from variant_prices

),

followed as (

    select
        account,
        subject,
        version_no,
        lag(price) over (partition by account, subject order by version_no) as previous_price,
        price,
        valid_from
    from prices

)

select
    account,
    subject,
    version_no,
    previous_price,
    price,
    -- what was free and is not has changed without bound
    case
        when previous_price = 0 then cast('infinity' as double)
        else abs(cast(price as double) / cast(previous_price as double) - 1)
    end as change,
    valid_from
from followed
where
    previous_price >= 0
    and price <> previous_price
