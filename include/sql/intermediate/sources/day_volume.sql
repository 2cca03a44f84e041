-- How much came on each of the last days of what comes every day, beside what is to be expected of such a day.
-- Grain: one row per account, kind and local day before today that has eight like it behind it.
with

current_run as (

    select cast(as_of as date) as today
    from intermediate.run_now

),

calendar_days as (

    select
        date,
        iso_weekday,
        coalesce(is_working_day, true) as is_working_day
    from marts.dim_date

),

-- sixteen weeks: the last two are judged, and holidays leave eight of each weekday before them
recent_days as (

    select
        d.date,
        d.iso_weekday,
        d.is_working_day,
        -- what a closed day kept from coming comes with the next ones: they are like none of their weekday
        d.date - max(case when d.is_working_day then d.date end) over before_it as days_since_open
    from calendar_days as d
    cross join current_run as r
    where
        d.date < r.today
        and d.date >= r.today - interval 16 week
    window before_it as (order by d.date rows between unbounded preceding and 1 preceding)

),

counts as (

    select
        account,
        kind,
        date,
        count(*) as amount
    from intermediate.daily_order
    group by account, kind, date

),

first_days as (

    select
        account,
        kind,
        min(date) as first_date
    from counts
    group by account, kind

),

-- the first day may have begun before the history did
days as (

    select
        f.account,
        f.kind,
        d.date,
        d.iso_weekday,
        d.is_working_day,
        d.days_since_open,
        coalesce(c.amount, 0) as amount
    from first_days as f
    inner join recent_days as d
        on d.date > f.first_date
    left join counts as c
        on
            f.account = c.account
            and f.kind = c.kind
            and d.date = c.date

),

compared as (

    select
        account,
        kind,
        date,
        amount,
        median(amount) over alike as usual_amount,
        mad(amount) over alike as usual_deviation,
        list(date) over alike as days_alike
    from days
    window alike as (
        partition by account, kind, iso_weekday, is_working_day, days_since_open
        order by date
        rows between 8 preceding and 1 preceding
    )
    qualify count(*) over alike = 8

)

select
    account,
    kind,
    date,
    amount,
    usual_amount,
    usual_deviation,
    days_alike,
    -- a shop that grows, or goes into Christmas: by how much the ten days before differed from theirs, whichever weekday;
    -- at most by half or twice, so that an outage of a week does not become what is expected
    usual_amount
    * greatest(0.5, least(2, coalesce(median(amount / usual_amount) over ten_before, 1))) as expected_amount
from compared
where usual_amount >= 5
window ten_before as (
    partition by account, kind
    order by date
    rows between 10 preceding and 1 preceding
)
