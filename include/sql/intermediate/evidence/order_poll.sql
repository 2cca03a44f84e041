-- What polls saw happen to an order: each version, the time between polls in which it came about, what it shows.
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

-- no poll after now: a run dated in the past sees what had been seen by then
poll_times as (

    select
        local_at,
        is_past,
        earliest_utc,
        latest_utc
    from intermediate.observation

),

restores as (

    select
        order_no,
        list(at_utc) as restored_at_utc
    from intermediate.order_restore
    group by order_no

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
        f.latest_utc as first_poll_utc,
        l.earliest_utc as last_poll_utc
    from history as h
    inner join intermediate.order_base as o
        on
            h.account = o.account
            and h.order_id = o.order_id
    inner join intermediate.order_status_map as m
        on h.source_status = m.source_status
    inner join poll_times as f
        on
            h._valid_from = f.local_at
            and f.is_past
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
        lag(last_poll_utc) over versions as previous_poll_utc
    from observed
    window versions as (partition by order_no order by version_no)

),

bounded as (

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
            greatest(coalesce(previous_poll_utc, created_at_utc), created_at_utc),
            greatest(first_poll_utc, created_at_utc)
        ) as after_utc,
        greatest(first_poll_utc, created_at_utc) as at_utc,
        coalesce(previous_status = 'cancelled' and status <> 'cancelled', false) as is_restored,
        coalesce(status = 'not_sent' and previous_status is distinct from 'not_sent', false) as is_not_sent
    from framed

),

-- a cycle begins with a clean sheet, also where only an event told of it
compared as (

    select
        b.order_no,
        b.version_no,
        b.after_utc,
        b.at_utc,
        b.status,
        b.progress,
        b.is_on_hold,
        b.has_problem,
        b.is_restored,
        b.is_not_sent,
        b.is_restored
        or coalesce(len(list_filter(t.restored_at_utc, lambda r: r > b.after_utc and r <= b.at_utc)) > 0, false)
            as begins_anew,
        case when not begins_anew then b.previous_status end as was_status,
        case when not begins_anew then b.previous_progress end as was_progress,
        case when not begins_anew then b.previous_is_on_hold end as was_on_hold,
        coalesce(not begins_anew and b.previous_has_problem, false) as had_problem
    from bounded as b
    left join restores as t
        on b.order_no = t.order_no

)

-- one version may show several things at once
select
    order_no,
    version_no,
    after_utc,
    at_utc,
    is_restored,
    coalesce(is_on_hold and was_on_hold is null and status <> 'cancelled', false) as is_created_on_hold,
    coalesce(is_on_hold and not was_on_hold and status <> 'cancelled', false) as is_hold_set,
    coalesce(not is_on_hold and was_on_hold and status <> 'cancelled', false) as is_released,
    status = 'waiting_for_storage' and was_status is distinct from 'waiting_for_storage' as is_waiting,
    coalesce(was_status = 'waiting_for_storage' and status not in ('waiting_for_storage', 'cancelled'), false)
        as is_stock_ready,
    coalesce(status = 'created' and was_progress >= 1, false) as is_sent_back,
    progress >= 1 and coalesce(was_progress, 0) = 0 as is_pushed,
    has_problem and not had_problem as is_problem_begun,
    had_problem and not has_problem as is_problem_ended,
    progress >= 2 and coalesce(was_progress, 0) < 2 as is_packed,
    is_not_sent,
    progress >= 3 and coalesce(was_progress, 0) < 3 as is_sent,
    status = 'delivered' and was_status is distinct from 'delivered' as is_delivered,
    status = 'returned' and was_status is distinct from 'returned' as is_returned,
    status = 'cancelled' and was_status is distinct from 'cancelled' as is_cancelled
from compared
