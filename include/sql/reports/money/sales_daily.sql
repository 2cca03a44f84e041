-- What was ordered on each day, in the currency of the orders and in the reporting currency.
-- Grain: one row per account, day of creation and currency.
with

orders as (

    select
        account,
        created_date,
        coalesce(currency, 'unknown') as currency,
        status = 'cancelled' as is_cancelled,
        goods_value,
        goods_value_reporting,
        rate_date
    from marts.fct_order

),

settings as (

    select
        reporting_currency,
        vat_label
    from marts.dim_money_setting

),

days as (

    select
        account,
        created_date,
        currency,
        count(*) as orders,
        count(*) filter (where is_cancelled) as cancelled_orders,
        sum(goods_value) filter (where not is_cancelled) as turnover,
        sum(goods_value) filter (where is_cancelled) as cancelled_value,
        sum(goods_value_reporting) filter (where not is_cancelled) as turnover_reporting,
        sum(goods_value_reporting) filter (where is_cancelled) as cancelled_value_reporting,
        count(*) filter (where not is_cancelled and goods_value is null) as orders_without_value,
        count(*) filter (where not is_cancelled and goods_value is not null and goods_value_reporting is null)
            as orders_without_rate,
        min(rate_date) as rate_date
    from orders
    group by account, created_date, currency

)

select
    d.account,
    d.created_date,
    d.currency,
    d.orders,
    d.cancelled_orders,
    d.turnover,
    d.cancelled_value,
    s.reporting_currency,
    d.turnover_reporting,
    d.cancelled_value_reporting,
    d.rate_date,
    d.orders_without_value,
    d.orders_without_rate,
    s.vat_label
from days as d
cross join settings as s
