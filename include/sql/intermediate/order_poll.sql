-- What polls saw of an order, each version with the time between polls in which it came about.
-- Grain: one row per order and version whose status text is mapped.
with

history as (

    select
        account,
        order_id,
        _version as version_no,
        source_status,
        is_on_hold,
        problem_source,
        _valid_from,
        _last_seen_at
    from staging.orders_history

),

orders as (

    select
        account,
        order_id,
        order_no,
        created_at_utc
    from intermediate.order_key

),

status_map as (

    select
        source_status,
        status,
        progress
    from intermediate.order_status_map

),

poll_times as (

    select
        local_at,
        earliest_utc,
        latest_utc
    from intermediate.order_poll_time

),

-- a version with an unmapped status proves nothing: the times around it grow together
observed as (

    select
        o.order_no,
        h.version_no,
        m.status,
        m.progress,
        coalesce(h.is_on_hold, false) as is_on_hold,
        m.status = 'problem_in_expedition' or h.problem_source is not null as has_problem,
        o.created_at_utc,
        f.latest_utc as first_seen_utc,
        l.earliest_utc as last_seen_utc
    from history as h
    inner join orders as o
        on
            h.account = o.account
            and h.order_id = o.order_id
    inner join status_map as m
        on h.source_status = m.source_status
    inner join poll_times as f
        on h._valid_from = f.local_at
    inner join poll_times as l
        on h._last_seen_at = l.local_at

),

framed as (

    select
        *,
        lag(status) over versions as previous_status,
        lag(progress) over versions as previous_progress,
        lag(is_on_hold) over versions as previous_is_on_hold,
        lag(has_problem) over versions as previous_has_problem,
        lag(last_seen_utc) over versions as previous_last_seen_utc
    from observed
    window versions as (partition by order_no order by version_no)

)

select
    order_no,
    version_no,
    status,
    progress,
    is_on_hold,
    has_problem,
    previous_status,
    previous_progress,
    previous_is_on_hold,
    previous_has_problem,
    -- a clock that jumped back must not turn an interval round
    least(
        greatest(coalesce(previous_last_seen_utc, created_at_utc), created_at_utc),
        greatest(first_seen_utc, created_at_utc)
    ) as after_utc,
    greatest(first_seen_utc, created_at_utc) as at_utc,
    coalesce(previous_status = 'cancelled' and status <> 'cancelled', false) as is_restored,
    coalesce(status = 'not_sent' and previous_status is distinct from 'not_sent', false) as is_not_sent
from framed
