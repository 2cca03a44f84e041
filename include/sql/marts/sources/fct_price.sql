-- What a FlickRocket price asked and when.
-- Grain: one row per account, price, market and version.
with

current_run as (

    select as_of
    from intermediate.run_now

),

whole_currencies as (

    select currency
    from intermediate.whole_currency

),

-- a run dated in the past knows no later versions
history as (

    select
        account,
        price_id,
        market_type,
        intermediate.currency_code(market_code) as market_code,
        title,
        amount_minor,
        is_valid,
        -- versions of a market go on when its code comes in other letters
        row_number() over whole_market as version_no,
        _valid_from as valid_from,
        least(case when _valid_to <= as_of then _valid_to end, lead(_valid_from) over whole_market) as valid_to
    from staging.flickrocket_prices_history
    cross join current_run
    where _valid_from <= as_of
    window
        whole_market as (
            partition by account, price_id, market_type, intermediate.currency_code(market_code)
            order by _valid_from, _version, market_code
        )

)

select
    h.account,
    h.price_id,
    h.market_type,
    h.market_code,
    h.version_no,
    h.title,
    case
        when w.currency is not null then cast(h.amount_minor as decimal(20, 2))
        else cast(cast(h.amount_minor as decimal(18, 0)) * cast(0.01 as decimal(3, 2)) as decimal(20, 2))
    end as amount,
    case when h.market_type = 'currency' then h.market_code end as currency,
    -- by ISO 4217 these have no hundredths, which the source says the amount is in
    w.currency is null
    and h.market_type = 'currency'
    and h.market_code in (
        'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'
    ) as is_amount_doubtful,
    h.is_valid,
    h.valid_from,
    h.valid_to,
    h.valid_to is null as is_current
from history as h
left join whole_currencies as w
    on case when h.market_type = 'currency' then h.market_code end = w.currency
