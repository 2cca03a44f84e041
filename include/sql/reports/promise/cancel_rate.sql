-- Orders that were cancelled.
-- Grain: one row per account and local day of creation.
with

fulfillments as (

    select
        account,
        created_at_utc,
        due_after_utc,
        due_at_utc,
        cancelled_after_utc,
        cancelled_at_utc,
        dispatch_at_utc,
        sent_at_utc
    from marts.fct_fulfillment
    where is_latest_cycle

),

judged as (

    select
        f.account,
        cast(intermediate.local_at(f.created_at_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after) as date)
            as created_date,
        f.cancelled_at_utc is not null as is_cancelled,
        -- what was cancelled after it had left is no failure to dispatch
        f.cancelled_at_utc is not null and f.dispatch_at_utc is not null as is_cancelled_dispatched,
        coalesce(f.dispatch_at_utc is null and f.cancelled_after_utc >= f.due_at_utc, false) as is_after_due,
        coalesce(f.dispatch_at_utc is null and f.cancelled_at_utc > f.due_after_utc, false) as is_perhaps_after_due,
        f.cancelled_at_utc is null and f.dispatch_at_utc is null and f.sent_at_utc is null as is_open
    from fulfillments as f
    inner join intermediate.calendar_zone_day as z
        on cast(f.created_at_utc as date) = z.date

),

counted as (

    select
        account,
        created_date,
        count(*) as orders,
        count(*) filter (where is_cancelled) as cancelled,
        count(*) filter (where is_cancelled_dispatched) as cancelled_dispatched,
        count(*) filter (where is_after_due) as cancelled_after_due,
        count(*) filter (where is_perhaps_after_due and not is_after_due) as perhaps_after_due,
        count(*) filter (where is_open) as open_orders
    from judged
    group by account, created_date

)

select
    account,
    created_date,
    orders,
    cancelled,
    cancelled_dispatched,
    cancelled_after_due,
    perhaps_after_due,
    open_orders,
    cancelled / orders as cancel_rate,
    cancelled_after_due / nullif(cancelled, 0) as after_due_share_sure,
    (cancelled_after_due + perhaps_after_due) / nullif(cancelled, 0) as after_due_share_possible
from counted
