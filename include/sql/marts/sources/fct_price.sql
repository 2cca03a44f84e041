-- What a FlickRocket price asked and when.
-- Grain: one row per account, price, market and version.
with

current_run as (

    select as_of
    from intermediate.run_now

),

-- a run dated in the past knows no later versions
history as (

    select
        account,
        price_id,
        market_type,
        market_code,
        title,
        amount_minor,
        is_valid,
        _version as version_no,
        _valid_from as valid_from,
        case when _valid_to <= as_of then _valid_to end as valid_to
    from staging.flickrocket_prices_history
    cross join current_run
    where _valid_from <= as_of

)

select
    account,
    price_id,
    market_type,
    upper(market_code) as market_code,
    version_no,
    title,
    cast(cast(amount_minor as decimal(18, 0)) * cast(0.01 as decimal(3, 2)) as decimal(20, 2)) as amount,
    case when market_type = 'currency' then upper(market_code) end as currency,
    is_valid,
    valid_from,
    valid_to,
    valid_to is null as is_current
from history
