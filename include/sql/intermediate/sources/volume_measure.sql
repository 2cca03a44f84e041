-- What the rules of alerts.yml compare of volume: the share that is missing, or that is too much.
-- Grain: one row per account, measure and subject (a day, three days, a stretch of a day, a sign of its orders).
with

current_run as (

    select
        as_of,
        cast(as_of as date) as today
    from intermediate.run_now

),

volumes as (

    select
        account,
        kind,
        date,
        amount,
        expected_amount,
        usual_deviation / usual_amount as deviation
    from intermediate.day_volume

),

-- what is wrong with a Friday stands over a weekend on which nothing comes
recent_volumes as (

    select
        v.account,
        v.kind,
        v.date,
        v.amount,
        v.expected_amount,
        v.deviation,
        r.as_of,
        row_number() over (partition by v.account, v.kind order by v.date desc) as days_back
    from volumes as v
    cross join current_run as r
    where v.date >= r.today - interval 10 day

),

judged as (

    select
        v.account,
        v.kind,
        w.subject,
        max(v.date) as last_date,
        sum(v.amount) as amount,
        sum(v.expected_amount) as expected_amount,
        -- two standard deviations of a normal distribution, as a factor down and up
        2 * 1.4826 * avg(v.deviation) / sqrt(w.days) as deviations,
        any_value(v.as_of) as as_of
    from recent_volumes as v
    inner join (values ('day', 1), ('three days', 3)) as w (subject, days)
        on v.days_back <= w.days
    group by v.account, v.kind, w.subject, w.days
    having count(*) = w.days

),

lulls as (

    select
        l.account,
        'missing_' || l.kind as measure,
        'in a row' as subject,
        'none from ' || l.from_time || ' to ' || l.until_time || ' on ' || strftime(l.date, '%A, %Y-%m-%d') as detail,
        l.share as value,
        cast(round(l.expected_amount) as bigint) as basis,
        date_diff('second', l.date + interval 1 day, r.as_of) / 3600.0 as age_hours,
        l.usual_share as usual
    from intermediate.day_lull as l
    cross join current_run as r

),

signs as (

    select
        s.account,
        s.measure,
        s.subject,
        s.detail,
        s.value,
        cast(round(s.expected_amount) as bigint) as basis,
        date_diff('second', s.date + interval 1 day, r.as_of) / 3600.0 as age_hours,
        s.usual
    from intermediate.day_sign as s
    cross join current_run as r

)

select
    account,
    unnest(['missing_' || kind, 'extra_' || kind]) as measure,
    subject,
    cast(amount as varchar)
    || case subject when 'day' then ' on ' else ' of the three days until ' end
    || strftime(last_date, '%A, %Y-%m-%d') as detail,
    unnest([
        greatest(1 - amount / expected_amount, 0),
        greatest(amount / expected_amount - 1, 0)
    ]) as value,
    cast(round(expected_amount) as bigint) as basis,
    date_diff('second', last_date + interval 1 day, as_of) / 3600.0 as age_hours,
    unnest([1 - exp(-deviations), exp(deviations) - 1]) as usual
from judged
union all
select
    account,
    measure,
    subject,
    detail,
    value,
    basis,
    age_hours,
    usual
from lulls
union all
select
    account,
    measure,
    subject,
    detail,
    value,
    basis,
    age_hours,
    usual
from signs
