-- The rate of each currency into the reporting currency, by day.
-- Grain: one row per currency and day with a rate of both.
with

rates as (

    select
        currency,
        date,
        units_per_eur,
        rate_date
    from marts.dim_currency_rate

),

target_rates as (

    select
        r.date,
        r.units_per_eur,
        r.rate_date
    from rates as r
    inner join marts.dim_money_setting as s
        on r.currency = s.reporting_currency

)

select
    r.currency,
    r.date,
    r.units_per_eur as units_own,
    t.units_per_eur as units_target,
    -- the older of the two
    least(r.rate_date, t.rate_date) as rate_date
from rates as r
inner join target_rates as t
    on r.date = t.date
