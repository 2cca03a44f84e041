-- What orders are worth in the reporting currency, by the rate of the day of their creation.
-- Grain: one row per account and order with an amount and a currency.
with

current_run as (

    select now_utc
    from intermediate.run_now

),

settings as (

    select reporting_currency
    from marts.dim_money_setting

),

rates as (

    select
        currency,
        date,
        units_per_eur,
        rate_date
    from marts.dim_currency_rate

),

orders as (

    select
        account,
        order_id,
        cast(created_at as date) as created_date,
        intermediate.currency_code(currency) as currency,
        goods_value,
        amount_due
    from staging.orders
    cross join current_run
    where
        _deleted_at is null
        and coalesce(created_at_utc <= now_utc, true)
        and intermediate.currency_code(currency) is not null

),

target_rates as (

    select
        r.date,
        r.units_per_eur,
        r.rate_date
    from rates as r
    inner join settings as s
        on r.currency = s.reporting_currency

),

own_rates as (

    select
        r.currency,
        r.date,
        r.units_per_eur as units_own,
        t.units_per_eur as units_target,
        -- the older of the two
        least(r.rate_date, t.rate_date) as rate_date
    from rates as r
    inner join target_rates as t
        on r.date = t.date

)

select
    o.account,
    o.order_id,
    case
        when o.currency = s.reporting_currency then cast(round(o.goods_value, 4) as decimal(38, 4))
        else intermediate.in_currency(o.goods_value, r.units_target, r.units_own)
    end as goods_value_reporting,
    case
        when o.currency = s.reporting_currency then cast(round(o.amount_due, 4) as decimal(38, 4))
        else intermediate.in_currency(o.amount_due, r.units_target, r.units_own)
    end as amount_due_reporting,
    case when o.currency <> s.reporting_currency then r.rate_date end as rate_date
from orders as o
cross join settings as s
left join own_rates as r
    on
        o.currency = r.currency
        and o.created_date = r.date
