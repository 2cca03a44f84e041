-- The moments at which orders were polled, as instants.
-- Grain: one row per local time of a poll.
with

poll_times as (

    select _valid_from as local_at
    from staging.orders_history
    union
    select _last_seen_at
    from staging.orders_history

)

select
    p.local_at,
    p.local_at <= r.as_of as is_past,
    -- what was seen so after now was so already now
    least(staging.utc_of(p.local_at, r.zone), r.now_utc) as earliest_utc,
    staging.utc_of_second(p.local_at, r.zone) as latest_utc
from poll_times as p
cross join intermediate.run_now as r
where p.local_at is not null
