-- The moments at which orders were polled, as instants.
-- Grain: one row per local time of a poll.
with

poll_times as (

    select _valid_from as local_at
    from staging.orders_history
    union
    select _last_seen_at
    from staging.orders_history

),

current_run as (

    select zone
    from meta.current_run

)

select
    p.local_at,
    staging.utc_of(p.local_at, r.zone) as earliest_utc,
    staging.utc_of_second(p.local_at, r.zone) as latest_utc
from poll_times as p
cross join current_run as r
where p.local_at is not null
