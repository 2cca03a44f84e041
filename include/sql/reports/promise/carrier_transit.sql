-- How long carriers took, and how much of it is known.
-- Grain: one row per account, month of hand-over and delivery method.
with

own_labels as (

    select
        account,
        order_id
    from marts.fct_order
    where has_own_label

),

fulfillments as (

    select
        f.account,
        f.order_id,
        f.delivery_id,
        f.sent_after_utc,
        f.sent_at_utc,
        f.delivered_after_utc,
        f.delivered_at_utc,
        f.returned_at_utc
    from marts.fct_fulfillment as f
    -- what the shop's own carrier takes says nothing of the others
    anti join own_labels as l
        on
            f.account = l.account
            and f.order_id = l.order_id
    where
        f.is_latest_cycle
        and f.sent_at_utc is not null

),

measured as (

    select
        f.account,
        f.delivery_id,
        intermediate.local_month_of(f.sent_after_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after) as sent_month,
        f.delivered_at_utc is not null as is_delivered,
        f.delivered_at_utc is null and f.returned_at_utc is not null as is_returned_undelivered,
        -- history from before the first night, or across red nights, bounds nothing: it is counted, not measured
        coalesce(
            f.sent_at_utc - f.sent_after_utc <= interval 36 hours
            and f.delivered_at_utc - f.delivered_after_utc <= interval 36 hours, false
        ) as is_measured,
        case
            when f.delivered_at_utc is not null
                then intermediate.hours_between(f.sent_at_utc, f.delivered_after_utc)
        end as hours_least,
        intermediate.hours_between(f.sent_after_utc, f.delivered_at_utc) as hours_most,
        case
            when f.delivered_at_utc is null and f.returned_at_utc is null
                then intermediate.hours_between(f.sent_at_utc, r.now_utc)
        end as open_hours
    from fulfillments as f
    inner join intermediate.calendar_zone_day as z
        on cast(f.sent_after_utc as date) = z.date
    cross join intermediate.run_now as r

),

counted as (

    select
        account,
        sent_month,
        delivery_id,
        count(*) as sent,
        count(*) filter (where is_delivered) as delivered,
        count(*) filter (where is_returned_undelivered) as returned_undelivered,
        count(*) filter (where is_measured) as measured,
        count(*) filter (where hours_least = hours_most) as measured_exactly,
        quantile_cont(hours_least, [0.5, 0.9, 0.95]) filter (where is_measured) as least,
        quantile_cont(hours_most, [0.5, 0.9, 0.95]) filter (where is_measured) as most,
        max(open_hours) as oldest_open_hours
    from measured
    group by account, sent_month, delivery_id

)

select
    c.account,
    c.sent_month,
    c.delivery_id,
    m.name as delivery_name,
    c.sent,
    c.delivered,
    c.returned_undelivered,
    c.sent - c.delivered - c.returned_undelivered as in_transit,
    c.delivered / c.sent as coverage,
    c.measured,
    c.measured_exactly,
    c.least[1] as p50_hours_least,
    c.most[1] as p50_hours_most,
    c.least[2] as p90_hours_least,
    c.most[2] as p90_hours_most,
    c.least[3] as p95_hours_least,
    c.most[3] as p95_hours_most,
    c.oldest_open_hours
from counted as c
left join marts.dim_delivery_method as m
    on
        c.account = m.account
        and c.delivery_id = m.delivery_id
