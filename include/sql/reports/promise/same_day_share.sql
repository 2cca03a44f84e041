-- Dispatched on the day they were ordered.
-- Grain: one row per account and local day of creation.
with

fulfillments as (

    select
        account,
        rule_no,
        created_at_utc,
        dispatch_after_utc,
        dispatch_at_utc
    from marts.fct_fulfillment
    where is_latest_cycle

),

local_orders as (

    select
        f.account,
        f.rule_no,
        f.dispatch_after_utc,
        f.dispatch_at_utc,
        intermediate.local_at(f.created_at_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after) as created_at
    from fulfillments as f
    inner join intermediate.calendar_zone_day as z
        on cast(f.created_at_utc as date) = z.date

),

-- the day after ends the same day, also on days of 23 or 25 hours
judged as (

    select
        o.account,
        cast(o.created_at as date) as created_date,
        cast(o.created_at as time) < c.cutoff as is_before_cutoff,
        coalesce(o.dispatch_at_utc < n.midnight_utc, false) as is_same_day,
        o.dispatch_at_utc is not null and coalesce(o.dispatch_after_utc < n.midnight_utc, false) as is_perhaps_same_day
    from local_orders as o
    inner join intermediate.sla_policy as c
        on o.rule_no = c.rule_no
    inner join intermediate.calendar_zone_day as n
        on cast(o.created_at as date) + 1 = n.date

),

counted as (

    select
        account,
        created_date,
        count(*) as orders,
        count(*) filter (where is_before_cutoff) as orders_before_cutoff,
        count(*) filter (where is_before_cutoff and is_same_day) as same_day,
        count(*) filter (where is_before_cutoff and is_perhaps_same_day and not is_same_day) as perhaps_same_day,
        count(*) filter (where not is_before_cutoff and is_same_day) as same_day_after_cutoff
    from judged
    group by account, created_date

)

select
    c.account,
    c.created_date,
    coalesce(d.is_working_day, false) as is_working_day,
    c.orders,
    c.orders_before_cutoff,
    c.same_day,
    c.perhaps_same_day,
    c.same_day_after_cutoff,
    c.same_day / nullif(c.orders_before_cutoff, 0) as same_day_share_sure,
    (c.same_day + c.perhaps_same_day) / nullif(c.orders_before_cutoff, 0) as same_day_share_possible
from counted as c
left join marts.dim_date as d
    on c.created_date = d.date
