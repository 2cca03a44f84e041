-- Orders as the warehouse knows them now; those made after now are not known yet.
-- Grain: one row per account and order.
with

current_run as (

    select now_utc
    from intermediate.run_now

),

warehouses as (

    select
        account,
        order_id,
        warehouse_id
    from intermediate.order_warehouse

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
        intermediate.currency_code(currency) as currency,
        goods_value,
        amount_due,
        is_cod,
        is_on_hold,
        is_damaged_sale,
        source_status,
        expedition_status,
        problem_source,
        has_description,
        has_solution,
        problem_photo_count,
        has_status_note,
        has_note,
        has_invoice,
        payment_key,
        delivery_id,
        delivery_status,
        tracking_number,
        dispatch_date,
        recipient_key,
        is_business,
        city,
        postcode
    from staging.orders
    cross join current_run
    where
        _deleted_at is null
        and coalesce(created_at_utc <= now_utc, true)

),

-- few orders are collected by a carrier of the shop's own
own_labels as (

    select
        account,
        order_id,
        count(*) as own_label_count
    from staging.order_labels
    where _deleted_at is null
    group by account, order_id

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
    w.warehouse_id,
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
    case
        when o.currency = s.reporting_currency then cast(round(o.goods_value, 4) as decimal(38, 4))
        else intermediate.in_currency(o.goods_value, r.units_target, r.units_own)
    end as goods_value_reporting,
    case
        when o.currency = s.reporting_currency then cast(round(o.amount_due, 4) as decimal(38, 4))
        else intermediate.in_currency(o.amount_due, r.units_target, r.units_own)
    end as amount_due_reporting,
    case when o.currency <> s.reporting_currency then r.rate_date end as rate_date,
    o.is_cod,
    o.is_on_hold,
    o.is_damaged_sale,
    coalesce(m.status, 'unmapped') as status,
    coalesce(m.stage, 'unknown') as stage,
    coalesce(m.is_final, false) as is_final,
    o.source_status,
    o.expedition_status,
    o.problem_source,
    o.has_description,
    o.has_solution,
    o.problem_photo_count,
    o.has_status_note,
    o.has_note,
    o.has_invoice,
    o.payment_key,
    l.order_id is not null as has_own_label,
    coalesce(l.own_label_count, 0) as own_label_count,
    o.delivery_id,
    o.delivery_status,
    o.tracking_number,
    o.dispatch_date,
    o.recipient_key,
    o.is_business,
    o.city,
    o.postcode
from orders as o
cross join marts.dim_money_setting as s
left join intermediate.order_status_map as m
    on o.source_status = m.source_status
left join own_labels as l
    on
        o.account = l.account
        and o.order_id = l.order_id
left join change_days as c
    on cast(o.created_at as date) = c.date
left join intermediate.reporting_rate as r
    on
        o.currency = r.currency
        and cast(o.created_at as date) = r.date
left join warehouses as w
    on
        o.account = w.account
        and o.order_id = w.order_id
