-- How long FlickRocket's physical orders took to be shipped, as nights saw it.
-- Grain: one row per account and month of the order.
with

instants as (

    select
        f.account,
        cast(date_trunc('month', f.created_at_utc) as date) as created_month,
        f.created_at_utc,
        f.is_shipped,
        r.now_utc,
        staging.utc_of(f.last_seen_open_at, r.zone) as open_utc,
        staging.utc_of_second(f.first_seen_shipped_at, r.zone) as shipped_utc
    from marts.fct_flickrocket_fulfillment as f
    cross join intermediate.run_now as r

),

-- shipped after the last night that saw it open, by the first that saw it shipped
measured as (

    select
        account,
        created_month,
        is_shipped,
        case when is_shipped then greatest(date_diff('second', created_at_utc, shipped_utc), 0) / 3600.0 end
            as hours_most,
        case
            when not is_shipped or shipped_utc is null then null
            when open_utc is null or open_utc > shipped_utc then 0
            else greatest(date_diff('second', created_at_utc, open_utc), 0) / 3600.0
        end as hours_least,
        case when not is_shipped then intermediate.hours_between(created_at_utc, now_utc) end as open_hours
    from instants

),

counted as (

    select
        account,
        created_month,
        count(*) as fulfillments,
        count(*) filter (where is_shipped) as shipped,
        count(*) filter (where not is_shipped) as open,
        quantile_cont(hours_least, [0.5, 0.9, 0.95]) as least,
        quantile_cont(hours_most, [0.5, 0.9, 0.95]) as most,
        max(open_hours) as oldest_open_hours
    from measured
    where created_month is not null
    group by account, created_month

)

select
    account,
    created_month,
    fulfillments,
    shipped,
    open,
    open / fulfillments as open_share,
    least[1] as p50_hours_least,
    most[1] as p50_hours_most,
    least[2] as p90_hours_least,
    most[2] as p90_hours_most,
    least[3] as p95_hours_least,
    most[3] as p95_hours_most,
    oldest_open_hours
from counted
