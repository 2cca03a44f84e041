-- What the orders placed on a day say themselves of how many there should be: numbers that run on, and repeats.
-- Grain: one row per account, sign and one of the days that are judged or compared with.
with

current_run as (

    select as_of
    from intermediate.run_now

),

days as (

    select
        account,
        date
    from intermediate.judged_day
    where kind = 'orders'

),

-- what an order of a day is held against may be of the day before it, or of the next
near_days as (

    select distinct
        account,
        unnest([date - 1, date, date + 1]) as date
    from days

),

orders as (

    select
        o.account,
        d.date,
        o.order_id,
        o.created_at,
        o.recipient_key,
        o.goods_value,
        o.amount_due,
        o.currency,
        o.remote_number,
        -- the digits a number ends with, and what stands around them
        try_cast(regexp_extract(o.remote_number, '([0-9]{1,15})[^0-9]*$', 1) as bigint) as number,
        regexp_replace(o.remote_number, '[0-9]{1,15}([^0-9]*)$', '#\1') as series
    from staging.orders as o
    inner join near_days as d
        on
            o.account = d.account
            and cast(o.created_at as date) = d.date
    where
        o.created_at <= (select as_of from current_run)
        and o._deleted_at is null

),

numbers as (

    select
        account,
        min(date) as date,
        coalesce(lead(number) over (partition by account, series order by number) = number + 1, false) as is_followed
    from orders
    where number is not null
    group by
        account,
        series,
        number

),

-- an order that came less than a day before, of the same buyer and the same amounts, or with the same number
repeats as (

    select
        account,
        date,
        coalesce(
            (recipient_key is not null and created_at - lag(created_at) over alike < interval 1 day)
            or (remote_number is not null and row_number() over numbered > 1),
            false
        ) as is_repeat
    from orders
    window
        alike as (
            partition by account, recipient_key, goods_value, amount_due, currency
            order by created_at, order_id
        ),
        numbered as (partition by account, remote_number order by created_at, order_id)

),

signs as (

    select
        account,
        'numbers' as sign,
        date,
        is_followed as has_sign
    from numbers
    union all
    select
        account,
        'repeats' as sign,
        date,
        is_repeat as has_sign
    from repeats

)

select
    s.account,
    s.sign,
    s.date,
    count(*) as orders,
    count(*) filter (where s.has_sign) as orders_with_sign
from signs as s
inner join days as d
    on
        s.account = d.account
        and s.date = d.date
group by
    s.account,
    s.sign,
    s.date
