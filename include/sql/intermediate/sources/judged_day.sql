-- The last day of which it can be said how much was to be expected, and the eight days it is compared with.
-- Grain: one row per account, kind and one of these days; where the last day had any.
with

current_run as (

    select cast(as_of as date) as today
    from intermediate.run_now

),

-- of a day without any it is said already
last_days as (

    select
        v.account,
        v.kind,
        v.date,
        v.amount,
        v.expected_amount,
        v.usual_deviation / v.usual_amount as deviation,
        v.days_alike
    from intermediate.day_volume as v
    cross join current_run as r
    where v.date >= r.today - interval 10 day
    qualify v.amount > 0 and row_number() over (partition by v.account, v.kind order by v.date desc) = 1

)

select
    account,
    kind,
    date as judged_date,
    unnest(list_append(days_alike, date)) as date,
    amount,
    expected_amount,
    deviation
from last_days
