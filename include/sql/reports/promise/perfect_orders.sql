-- In full, on time and in full, perfect: by the day and by the month orders were due.
-- Grain: one row per account, period (day or month) and its first day.
with

-- what counts against a promise: not what was cancelled in time, not what is not due yet
fulfillments as (

    select
        f.account,
        f.due_date,
        f.sla_state,
        f.is_in_full,
        f.is_otif,
        f.is_perfect,
        -- a damaged unit may still come back
        coalesce(f.is_perfect and f.dispatch_at_utc + interval 30 days > r.now_utc, false) as is_perfect_so_far
    from marts.fct_fulfillment as f
    cross join intermediate.run_now as r
    where
        f.is_latest_cycle
        and f.due_date is not null
        and f.sla_state not in ('excluded', 'pending')

),

days as (

    select
        account,
        due_date as period_start,
        count(*) as orders,
        count(*) filter (where sla_state = 'on_time') as on_time,
        count(*) filter (where is_in_full) as in_full,
        count(*) filter (where is_in_full is null) as in_full_unknown,
        count(*) filter (where is_otif) as otif,
        count(*) filter (where is_otif is null) as otif_unknown,
        count(*) filter (where is_perfect) as perfect,
        count(*) filter (where is_perfect_so_far) as perfect_so_far,
        count(*) filter (where is_perfect is null) as perfect_unknown
    from fulfillments
    group by account, due_date

),

months as (

    select
        account,
        cast(date_trunc('month', period_start) as date) as period_start,
        sum(orders) as orders,
        sum(on_time) as on_time,
        sum(in_full) as in_full,
        sum(in_full_unknown) as in_full_unknown,
        sum(otif) as otif,
        sum(otif_unknown) as otif_unknown,
        sum(perfect) as perfect,
        sum(perfect_so_far) as perfect_so_far,
        sum(perfect_unknown) as perfect_unknown
    from days
    group by all

),

periods as (

    select
        'day' as period,
        *
    from days
    union all by name
    select
        'month' as period,
        *
    from months

)

select
    account,
    period,
    period_start,
    orders,
    on_time,
    in_full,
    in_full_unknown,
    otif,
    otif_unknown,
    perfect,
    perfect_so_far,
    perfect_unknown,
    otif / nullif(orders - otif_unknown, 0) as otif_rate,
    otif / orders as otif_rate_sure,
    (otif + otif_unknown) / orders as otif_rate_possible,
    perfect / nullif(orders - perfect_unknown, 0) as perfect_rate,
    (perfect - perfect_so_far) / orders as perfect_rate_sure,
    (perfect + perfect_unknown) / orders as perfect_rate_possible
from periods
