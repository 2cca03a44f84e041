-- Now of every model, as local wall clock and as instant.
-- Grain: one row.
with

current_run as (

    select
        run_id,
        as_of,
        zone
    from meta.current_run

),

runs as (

    select
        run_id,
        as_of_utc
    from meta.run

)

select
    c.run_id,
    c.as_of,
    c.zone,
    -- a local time of the repeated hour is of its second pass, where nothing says more
    coalesce(r.as_of_utc, staging.utc_of_second(c.as_of, c.zone)) as now_utc
from current_run as c
left join runs as r
    on c.run_id = r.run_id
