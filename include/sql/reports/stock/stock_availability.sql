-- What is free to sell of each variant, and when it runs out.
-- Grain: one row per account and variant that the latest look at the stock lists.
with

looks as (

    select
        account,
        max(snapshot_date) as snapshot_date
    from marts.fct_stock_level
    group by account

),

levels as (

    select
        s.account,
        s.variant_id,
        s.snapshot_date,
        s.on_hand_quantity,
        s.reserved_quantity,
        s.requested_quantity,
        s.available_quantity,
        s.availability,
        s.oversold_quantity,
        s.is_reserved_above_stock
    from marts.fct_stock_level as s
    inner join looks as l
        on
            s.account = l.account
            and s.snapshot_date = l.snapshot_date

),

requests as (

    select
        account,
        variant_id,
        count(*) as open_requests,
        min(requested_at) as oldest_request_at
    from marts.fct_stock_request
    where is_open
    group by account, variant_id

),

-- what is owed already runs out today; beyond a hundred years it does not
days as (

    select
        l.*,
        o.out_since,
        p.dispatched_quantity_28d,
        p.mean_daily_dispatched,
        p.history_days,
        p.slow_daily_dispatched,
        p.fast_daily_dispatched,
        l.available_quantity / p.mean_daily_dispatched as days_of_cover,
        case
            when p.fast_daily_dispatched is null then null
            when l.available_quantity <= 0 then 0
            when l.available_quantity < 36500 * p.fast_daily_dispatched
                then floor(l.available_quantity / p.fast_daily_dispatched)
        end as days_least,
        case
            when p.slow_daily_dispatched is null then null
            when l.available_quantity <= 0 then 0
            when l.available_quantity < 36500 * p.slow_daily_dispatched
                then floor(l.available_quantity / p.slow_daily_dispatched)
        end as days_most
    from levels as l
    left join intermediate.dispatch_pace as p
        on
            l.account = p.account
            and l.variant_id = p.variant_id
    left join intermediate.stock_out as o
        on
            l.account = o.account
            and l.variant_id = o.variant_id
            and l.snapshot_date = o.snapshot_date

)

select
    d.account,
    d.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    d.snapshot_date,
    d.on_hand_quantity,
    d.reserved_quantity,
    d.requested_quantity,
    d.available_quantity,
    d.availability,
    d.oversold_quantity,
    d.is_reserved_above_stock,
    d.out_since,
    coalesce(q.open_requests, 0) as open_requests,
    q.oldest_request_at,
    coalesce(d.dispatched_quantity_28d, 0) as dispatched_quantity_28d,
    d.mean_daily_dispatched,
    d.history_days,
    d.days_of_cover,
    d.slow_daily_dispatched,
    d.fast_daily_dispatched,
    d.snapshot_date + cast(d.days_least as integer) as run_out_date_earliest,
    d.snapshot_date + cast(d.days_most as integer) as run_out_date_latest
from days as d
left join requests as q
    on
        d.account = q.account
        and d.variant_id = q.variant_id
left join intermediate.current_variant as v
    on
        d.account = v.account
        and d.variant_id = v.variant_id
