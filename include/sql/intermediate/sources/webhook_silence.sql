-- How long no event of an account came, how long is usual for it, and what was ordered meanwhile.
-- Grain: one row per account and source that ever sent an event of something other than its app.
with

-- an event counts from when it happened, where it says so: what comes late was no silence of the shop
events as (

    select
        e.account,
        e.source,
        e.received_no,
        least(coalesce(e.occurred_at_utc, e.received_at_utc), r.now_utc) as heard_at_utc,
        r.now_utc
    from staging.webhook_events as e
    cross join intermediate.run_now as r
    where
        e.subject_kind is distinct from 'app'
        and e._deleted_at is null
        and (e.occurred_at_utc is null or e.occurred_at_utc <= r.now_utc)

),

latest as (

    select
        account,
        source,
        any_value(now_utc) as now_utc,
        min(heard_at_utc) as first_heard_at_utc,
        max(heard_at_utc) as last_heard_at_utc,
        max(received_no) as last_received_no
    from events
    group by account, source

),

gaps as (

    select
        e.account,
        e.source,
        date_diff('second', e.heard_at_utc, l.last_heard_at_utc) // 604800 as week_back,
        date_diff('second', lag(e.heard_at_utc) over in_time, e.heard_at_utc) / 3600.0 as gap_hours
    from events as e
    inner join latest as l
        on
            e.account = l.account
            and e.source = l.source
    where e.heard_at_utc > l.last_heard_at_utc - interval 5 week
    window in_time as (partition by e.account, e.source order by e.heard_at_utc)

),

longest_gaps as (

    select
        account,
        source,
        max(gap_hours) as longest_gap_hours
    from gaps
    where week_back < 4
    group by account, source, week_back

),

-- the median of four weeks: one outage among them does not make the next one usual
rhythms as (

    select
        account,
        source,
        1.5 * median(longest_gap_hours) as usual_hours
    from longest_gaps
    group by account, source

),

-- SHOPLINE's orders are known from the warehouse only
orders as (

    select
        account,
        unnest(['fulfillment_cz', 'shopline']) as source,
        created_at_utc
    from staging.orders
    where
        created_at_utc > (select min(last_heard_at_utc) from latest)
        and _deleted_at is null
    union all
    select
        account,
        'flickrocket' as source,
        created_at_utc
    from staging.flickrocket_fulfillments
    where
        created_at_utc > (select min(last_heard_at_utc) from latest)
        and _deleted_at is null

),

missed as (

    select
        o.account,
        o.source,
        count(*) as orders
    from orders as o
    inner join latest as l
        on
            o.account = l.account
            and o.source = l.source
    where
        o.created_at_utc > l.last_heard_at_utc
        and o.created_at_utc <= l.now_utc
    group by o.account, o.source

)

select
    l.account,
    l.source,
    l.last_heard_at_utc,
    l.last_received_no,
    date_diff('second', l.last_heard_at_utc, l.now_utc) / 3600.0 as silent_hours,
    -- a week has to be known: a shop's nights and Sundays are in it
    case when l.first_heard_at_utc <= l.last_heard_at_utc - interval 1 week then h.usual_hours end as usual_hours,
    coalesce(m.orders, 0) as orders_in_silence
from latest as l
left join rhythms as h
    on
        l.account = h.account
        and l.source = h.source
left join missed as m
    on
        l.account = m.account
        and l.source = m.source
