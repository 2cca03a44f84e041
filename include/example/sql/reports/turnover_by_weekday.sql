-- Grain: one row per account × weekday: what was ordered on it, of the orders of the last year.
with

sales as (

    select
        account,
        created_date,
        orders,
        turnover_reporting
    from reports.sales_daily

),

night as (

    select as_of
    from meta.current_run

)

select
    s.account,
    isodow(s.created_date) as weekday_no,
    dayname(s.created_date) as weekday,
    count(distinct s.created_date) as days,
    sum(s.orders) as orders,
    sum(s.turnover_reporting) as turnover
from sales as s
cross join night as n
where s.created_date >= cast(n.as_of as date) - interval 1 year
group by s.account, weekday_no, weekday
