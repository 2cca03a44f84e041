-- What the orders sent on a day say of how many there should be: those that waited, and those that were not to be sent.
-- Grain: one row per account, sign and one of the days that are judged or compared with.
with

days as (

    select
        account,
        date
    from intermediate.judged_day
    where kind = 'dispatches'

),

daily_orders as (

    select
        account,
        kind,
        date,
        order_id
    from intermediate.daily_order

),

sent as (

    select
        account,
        order_id,
        date,
        min(date) over (partition by account, order_id) as first_date
    from daily_orders
    where kind = 'dispatches'

),

-- orders of a week that had not left before the day
waiting as (

    select
        d.account,
        d.date,
        coalesce(s.date = d.date, false) as has_left
    from days as d
    inner join daily_orders as o
        on
            d.account = o.account
            and o.date between d.date - 7 and d.date
    left join sent as s
        on
            o.account = s.account
            and o.order_id = s.order_id
            and s.date = s.first_date
    where
        o.kind = 'orders'
        and coalesce(s.date >= d.date, true)

),

strays as (

    select
        s.account,
        s.date,
        o.order_id is null or s.first_date < s.date as is_stray
    from sent as s
    inner join days as d
        on
            s.account = d.account
            and s.date = d.date
    left join staging.orders as o
        on
            s.account = o.account
            and s.order_id = o.order_id

),

signs as (

    select
        account,
        'waiting' as sign,
        date,
        has_left as has_sign
    from waiting
    union all
    select
        account,
        'strays' as sign,
        date,
        is_stray as has_sign
    from strays

)

select
    account,
    sign,
    date,
    count(*) as orders,
    count(*) filter (where has_sign) as orders_with_sign
from signs
group by
    account,
    sign,
    date
