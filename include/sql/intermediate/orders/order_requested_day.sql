-- Orders whose requested day was edited: the day, or the two days, it may have been when the order left, by when it left.
-- Grain: one row per order and stretch of time in which it may have left; few orders have any.
with

poll_times as (

    select
        local_at,
        is_past,
        earliest_utc,
        latest_utc
    from intermediate.observation

),

-- one number in place of two texts: who shares it by accident has one day and no row
asked_hashes as (

    select distinct hash(account, order_id) as order_hash
    from staging.orders_history
    where dispatch_date is not null

),

edited_hashes as (

    select hash(account, order_id) as order_hash
    from staging.orders_history
    where hash(account, order_id) in (select order_hash from asked_hashes)
    group by hash(account, order_id)
    having
        count(dispatch_date) < count(*)
        or min(dispatch_date) < max(dispatch_date)

),

versions as (

    select
        o.order_no,
        h._version as version_no,
        h.dispatch_date,
        f.latest_utc as first_poll_utc,
        l.earliest_utc as last_poll_utc
    from staging.orders_history as h
    inner join intermediate.order_base as o
        on
            h.account = o.account
            and h.order_id = o.order_id
    inner join poll_times as f
        on
            h._valid_from = f.local_at
            and f.is_past
    inner join poll_times as l
        on h._last_seen_at = l.local_at
    where hash(h.account, h.order_id) in (select order_hash from edited_hashes)

),

compared as (

    select
        *,
        lag(dispatch_date) over in_order as previous_date,
        lag(last_poll_utc) over in_order as previous_poll_utc,
        row_number() over in_order as place
    from versions
    window in_order as (partition by order_no order by version_no)

),

edits as (

    select
        order_no,
        version_no,
        previous_date,
        dispatch_date,
        -- a clock that jumped back must not turn an interval round
        max(first_poll_utc) over so_far as at_utc,
        least(previous_poll_utc, first_poll_utc) as seen_before_utc
    from compared
    where
        place > 1
        and dispatch_date is distinct from previous_date
    window so_far as (partition by order_no order by version_no rows between unbounded preceding and current row)

),

bounded as (

    select
        order_no,
        version_no,
        previous_date,
        dispatch_date,
        at_utc,
        lag(at_utc) over in_order as previous_at_utc,
        greatest(seen_before_utc, lag(at_utc) over in_order) as after_utc,
        lead(version_no) over in_order is null as is_last
    from edits
    window in_order as (partition by order_no order by version_no)

),

-- before an edit it was the day before it, after it the new one, and between the two polls either
stretches as (

    select
        order_no,
        previous_at_utc as left_after_utc,
        after_utc as left_until_utc,
        previous_date as one_day,
        previous_date as other_day
    from bounded
    union all
    select
        order_no,
        after_utc as left_after_utc,
        at_utc as left_until_utc,
        previous_date as one_day,
        dispatch_date as other_day
    from bounded
    union all
    select
        order_no,
        at_utc as left_after_utc,
        cast(null as timestamp) as left_until_utc,
        dispatch_date as one_day,
        dispatch_date as other_day
    from bounded
    where is_last

)

select
    order_no,
    left_after_utc,
    left_until_utc,
    -- without a day nothing was asked for
    case when one_day is not null and other_day is not null then least(one_day, other_day) end as first_date,
    greatest(one_day, other_day) as last_date
from stretches
where coalesce(left_after_utc < left_until_utc, true)
