-- Orders as the warehouse knows them now; those made after now are not known yet.
-- Grain: one row per account and order.
with

current_run as (

    select now_utc
    from intermediate.run_now

),

amounts as (

    select
        account,
        order_id,
        goods_value_reporting,
        amount_due_reporting,
        rate_date
    from intermediate.order_amount

),

orders as (

    select
        account,
        order_id,
        number,
        remote_number,
        created_text,
        created_at,
        created_at_utc,
        currency,
        goods_value,
        amount_due,
        is_cod,
        is_on_hold,
        is_damaged_sale,
        source_status,
        expedition_status,
        problem_source,
        delivery_id,
        delivery_status,
        tracking_number,
        dispatch_date,
        recipient_key,
        city,
        postcode
    from staging.orders
    cross join current_run
    where
        _deleted_at is null
        and coalesce(created_at_utc <= now_utc, true)

),

-- local days with a repeated or skipped hour
change_days as (

    select
        d.date,
        r.zone
    from intermediate.calendar_zone_day as d
    cross join meta.current_run as r
    where d.has_change

)

select
    o.account,
    o.order_id,
    o.number,
    o.remote_number,
    o.created_at,
    o.created_at_utc,
    cast(o.created_at as date) as created_date,
    case
        when c.date is null or staging.stated_utc(o.created_text) is not null then false
        else staging.utc_of(o.created_at, c.zone) <> staging.utc_of_second(o.created_at, c.zone)
    end as is_created_in_repeated_hour,
    o.currency,
    o.goods_value,
    o.amount_due,
    a.goods_value_reporting,
    a.amount_due_reporting,
    a.rate_date,
    o.is_cod,
    o.is_on_hold,
    o.is_damaged_sale,
    coalesce(m.status, 'unmapped') as status,
    coalesce(m.stage, 'unknown') as stage,
    coalesce(m.is_final, false) as is_final,
    o.source_status,
    o.expedition_status,
    o.problem_source,
    o.delivery_id,
    o.delivery_status,
    o.tracking_number,
    o.dispatch_date,
    o.recipient_key,
    o.city,
    o.postcode
from orders as o
left join intermediate.order_status_map as m
    on o.source_status = m.source_status
left join change_days as c
    on cast(o.created_at as date) = c.date
left join amounts as a
    on
        o.account = a.account
        and o.order_id = a.order_id
