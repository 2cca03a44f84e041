-- Versions of a price that differ from the one before in the price itself; a version may differ in something else.
-- Grain: one row per account, subject and version.
with

asked_prices as (

    select
        account,
        'FlickRocket price ' || cast(price_id as varchar) || ' ' || market_code as subject,
        'asked' as kind,
        price_id,
        market_type,
        market_code,
        title,
        currency,
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
            'wholesale price of variant ' || cast(variant_id as varchar),
            'retail price of variant ' || cast(variant_id as varchar)
        ]) as subject,
        unnest(['purchase', 'wholesale', 'retail']) as kind,
        variant_id,
        version_no,
        unnest([price_purchase, price_wholesale, price_retail]) as price,
        valid_from
    from marts.dim_variant

),

current_run as (

    select as_of
    from intermediate.run_now

),

-- a run dated in the past knows no later versions
line_prices as (

    select
        h.account,
        'price of line ' || cast(h.line_no as varchar) || ' of receiving ' || cast(h.receiving_id as varchar) as subject,
        'receiving' as kind,
        h.receiving_id,
        h.line_no,
        h.variant_id,
        h._version as version_no,
        h.price_per_unit as price,
        h._valid_from as valid_from
    from staging.receiving_lines_history as h
    cross join current_run as r
    where h._valid_from <= r.as_of

),

prices as (

    select *
    from asked_prices
    union all by name
    select *
    from variant_prices
    union all by name
    select *
    from line_prices

),

-- a line that means another variant has another price, which is no change of one; a version without a price, or with one
-- below zero, parts no price from the one before
followed as (

    select
        *,
        lag(case when price >= 0 then price end ignore nulls) over (
            partition by account, subject, variant_id
            order by version_no
        ) as previous_price
    from prices

)

select
    account,
    subject,
    kind,
    price_id,
    market_type,
    market_code,
    title,
    currency,
    variant_id,
    receiving_id,
    line_no,
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
where price <> previous_price
window alike as (partition by account, receiving_id, variant_id, valid_from)
-- lines of one variant that changed places have the prices they had
qualify
    kind <> 'receiving'
    or list_sort(list(price) over alike) <> list_sort(list(previous_price) over alike)
