-- When the warehouse works, for every calendar the policies know.
-- Grain: one row per calendar version and local day.
with

calendar_days as (

    select
        calendar_version,
        date,
        opens_at,
        closes_at,
        opens_at_utc,
        closes_at_utc,
        is_working_day,
        holiday_name,
        exception
    from intermediate.calendar_day

)

select *
from calendar_days
