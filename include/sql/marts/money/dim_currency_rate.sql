-- The rate that counts on each day: the day's own, else the last one of the seven days before.
-- Grain: one row per currency and day.
with

current_run as (

    select cast(as_of as date) as today
    from intermediate.run_now

),

sources as (

    select
        source,
        position
    from intermediate.rate_source

),

file_rates as (

    select
        source,
        file,
        line_no,
        currency,
        rate_date,
        units_per_eur
    from intermediate.currency_rate_line
    where problem is null

),

flickrocket_rates as (

    select
        account,
        currency,
        rate_date,
        units_per_eur
    from marts.fct_currency_rate
    where is_stated

),

every_rate as (

    select
        source,
        file || ' ' || cast(line_no as varchar) as place,
        currency,
        rate_date,
        units_per_eur
    from file_rates
    union all
    select
        'flickrocket' as source,
        account as place,
        currency,
        rate_date,
        units_per_eur
    from flickrocket_rates

),

-- of one day the best source counts, and of that the first place by name
stated as (

    select
        e.currency,
        e.rate_date,
        e.units_per_eur,
        e.source
    from every_rate as e
    inner join sources as s
        on e.source = s.source
    cross join current_run as r
    where
        e.rate_date <= r.today
        and e.currency <> 'EUR'
    qualify row_number() over (partition by e.currency, e.rate_date order by s.position, e.place) = 1

),

-- a euro is a euro on every day
with_euro as (

    select
        currency,
        rate_date,
        units_per_eur,
        source
    from stated
    union all
    select distinct
        'EUR' as currency,
        rate_date,
        cast(1 as decimal(24, 12)) as units_per_eur,
        'definition' as source
    from stated

),

spans as (

    select
        currency,
        rate_date,
        units_per_eur,
        source,
        coalesce(lead(rate_date) over (partition by currency order by rate_date), date '9999-12-31') as next_date
    from with_euro

),

days as (

    select
        s.currency,
        s.rate_date,
        s.units_per_eur,
        s.source,
        unnest(generate_series(0, least(date_diff('day', s.rate_date, least(s.next_date - 1, r.today)), 7))) as age_days
    from spans as s
    cross join current_run as r

)

select
    currency,
    cast(rate_date + cast(age_days as integer) as date) as date,
    units_per_eur,
    rate_date,
    age_days,
    source
from days
