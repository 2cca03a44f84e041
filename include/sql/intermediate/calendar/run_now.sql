-- Now of every model, as local wall clock and as instant.
-- Grain: one row.
select
    c.run_id,
    c.as_of,
    c.zone,
    -- a local time of the repeated hour is of its second pass, where nothing says more
    coalesce(r.as_of_utc, staging.utc_of_second(c.as_of, c.zone)) as now_utc
from meta.current_run as c
left join meta.run as r
    on c.run_id = r.run_id
