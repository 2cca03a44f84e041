-- Calendar of the data, from a month before the first order or movement to a year after the run's as_of.
-- Grain: one row per local day.
with

current_run as (

    select as_of
    from meta.current_run

),

zone_days as (

    select date
    from intermediate.calendar_zone_day

),

-- working days and holidays by the calendar of the policy in force today
calendar_days as (

    select
        d.date,
        d.is_working_day,
        d.holiday_name
    from intermediate.calendar_day as d
    inner join intermediate.sla_policy as p
        on d.calendar_version = p.calendar_version
    cross join current_run as r
    where
        p.account is null
        and p.delivery_id is null
        and (p.valid_from is null or p.valid_from <= cast(r.as_of as date))
        and (p.valid_to is null or p.valid_to > cast(r.as_of as date))

)

select
    z.date,
    cast(isoyear(z.date) as bigint) as iso_year,
    cast(week(z.date) as bigint) as iso_week,
    cast(isodow(z.date) as bigint) as iso_weekday,
    cast(month(z.date) as bigint) as month,
    cast(date_trunc('month', z.date) as date) as month_start,
    cast(quarter(z.date) as bigint) as quarter,
    cast(year(z.date) as bigint) as year,
    c.is_working_day,
    c.holiday_name
from zone_days as z
left join calendar_days as c
    on z.date = c.date
cross join current_run as r
where z.date <= cast(r.as_of as date) + interval 1 year
