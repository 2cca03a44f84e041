-- The longest stretch without an order of the last day that is judged, by how much usually comes in such a stretch.
-- Grain: one row per account and kind whose last judged day had any.
with

days as (

    select
        account,
        kind,
        judged_date,
        date,
        expected_amount
    from intermediate.judged_day

),

daily_orders as (

    select
        account,
        kind,
        date,
        local_at
    from intermediate.daily_order

),

-- seconds of wall clock since midnight
seconds as (

    select
        d.account,
        d.kind,
        d.judged_date,
        d.date,
        date_diff('second', d.date, m.local_at) as second,
        d.date <> d.judged_date as is_usual
    from days as d
    inner join daily_orders as m
        on
            d.account = m.account
            and d.kind = m.kind
            and d.date = m.date
    union all
    -- a day ends with a stretch too
    select
        account,
        kind,
        judged_date,
        date,
        86400 as second,
        false as is_usual
    from days

),

-- how much of the eight days came until a moment, and how much before it
counted as (

    select
        account,
        kind,
        judged_date,
        date,
        second,
        sum(cast(is_usual as integer)) over until_it as usual_until,
        usual_until - sum(cast(is_usual as integer)) over at_it as usual_before,
        sum(cast(is_usual as integer)) over (partition by account, kind) as usual
    from seconds
    window
        until_it as (partition by account, kind order by second),
        at_it as (partition by account, kind, second)

),

stretches as (

    select
        account,
        kind,
        judged_date,
        date,
        second as until_second,
        coalesce(lag(second) over in_day, 0) as from_second,
        (usual_before - coalesce(lag(usual_until) over in_day, 0)) / usual as share
    from counted
    window in_day as (partition by account, kind, date order by second)

),

longest as (

    select
        account,
        kind,
        judged_date,
        date,
        max(share) as share,
        arg_max_null(from_second, share) as from_second,
        arg_max_null(until_second, share) as until_second
    from stretches
    group by account, kind, judged_date, date

),

judged as (

    select
        account,
        kind,
        judged_date as date,
        max(share) filter (where date = judged_date) as share,
        any_value(from_second) filter (where date = judged_date) as from_second,
        any_value(until_second) filter (where date = judged_date) as until_second,
        -- twice: what comes in a few batches a day has long stretches every day
        2 * median(share) filter (where date <> judged_date) as usual_share
    from longest
    group by account, kind, judged_date

)

select
    j.account,
    j.kind,
    j.date,
    j.share,
    j.usual_share,
    d.expected_amount,
    format('{:02d}:{:02d}', j.from_second // 3600, j.from_second // 60 % 60) as from_time,
    format('{:02d}:{:02d}', j.until_second // 3600, j.until_second // 60 % 60) as until_time
from judged as j
inner join days as d
    on
        j.account = d.account
        and j.kind = d.kind
        and j.date = d.date
