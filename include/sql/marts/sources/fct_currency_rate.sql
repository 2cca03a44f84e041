-- Units of a currency that one euro buys.
-- Grain: one row per account, currency and day.
with

current_run as (

    select as_of
    from intermediate.run_now

),

newest as (

    select
        account,
        intermediate.currency_code(currency) as currency,
        rate_date,
        -- whatever the list says of it
        case when intermediate.currency_code(currency) = 'EUR' then 1 else units_per_eur end as units_per_eur
    from staging.currency_rates
    cross join current_run
    where
        _deleted_at is null
        and rate_date <= cast(as_of as date)
    -- a day listed again may spell the currency otherwise
    qualify rank() over (
        partition by account, intermediate.currency_code(currency), rate_date
        order by _last_seen_at desc nulls last
    ) = 1

),

-- of several rates of one day in one listing none counts
stated as (

    select
        account,
        currency,
        rate_date,
        min(units_per_eur) as units_per_eur
    from newest
    group by account, currency, rate_date
    having min(units_per_eur) = max(units_per_eur)

),

euro as (

    select distinct
        account,
        'EUR' as currency,
        rate_date,
        cast(1 as decimal(24, 12)) as units_per_eur
    from stated

),

everything as (

    select
        *,
        true as is_stated
    from stated
    union all
    -- whether the source lists the euro itself is not documented
    select
        e.*,
        false as is_stated
    from euro as e
    left join stated as s
        on
            e.account = s.account
            and e.currency = s.currency
            and e.rate_date = s.rate_date
    where s.account is null

)

select
    account,
    currency,
    rate_date,
    units_per_eur,
    is_stated
from everything
