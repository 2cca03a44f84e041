-- What the orders of the last judged day say themselves of how many are missing or too many, set beside the eight days.
-- Grain: one row per account, measure and subject; of a sign only where it usually says something.
with

days as (

    select
        account,
        kind,
        judged_date,
        date,
        amount,
        expected_amount,
        deviation
    from intermediate.judged_day

),

signs as (

    select
        account,
        'orders' as kind,
        sign,
        date,
        orders,
        orders_with_sign
    from intermediate.order_sign
    union all
    select
        account,
        'dispatches' as kind,
        sign,
        date,
        orders,
        orders_with_sign
    from intermediate.dispatch_sign

),

shares as (

    select
        d.account,
        d.kind,
        s.sign,
        d.judged_date,
        d.date,
        d.amount,
        d.expected_amount,
        d.deviation,
        s.orders,
        s.orders_with_sign,
        -- what is too many is counted beside the others: where all come twice it is 1
        s.orders_with_sign
        / case when s.sign in ('numbers', 'waiting') then s.orders else greatest(s.orders - s.orders_with_sign, 1) end as share
    from days as d
    inner join signs as s
        on
            d.account = s.account
            and d.kind = s.kind
            and d.date = s.date

),

compared as (

    select
        account,
        kind,
        sign,
        judged_date,
        strftime(judged_date, '%A, %Y-%m-%d') as day,
        any_value(amount) as amount,
        any_value(expected_amount) as expected_amount,
        any_value(deviation) as deviation,
        any_value(orders) filter (where date = judged_date) as orders,
        any_value(orders_with_sign) filter (where date = judged_date) as orders_with_sign,
        any_value(share) filter (where date = judged_date) as share,
        median(share) filter (where date <> judged_date) as usual_share,
        -- two standard deviations of a normal distribution
        2 * 1.4826 * mad(share) filter (where date <> judged_date) as usual_deviation
    from shares
    group by
        account,
        kind,
        sign,
        judged_date

)

select
    account,
    case sign
        when 'numbers' then 'missing_orders'
        when 'repeats' then 'extra_orders'
        when 'waiting' then 'missing_dispatches'
        else 'extra_dispatches'
    end as measure,
    sign as subject,
    judged_date as date,
    case sign
        -- numbers have gaps of their own, and days are quiet by themselves: hardly ever both at once
        when 'numbers' then (greatest(1 - share / usual_share, 0) + greatest(1 - amount / expected_amount, 0)) / 2
        when 'waiting' then greatest(1 - share / usual_share, 0)
        else greatest((1 + share) / (1 + usual_share) - 1, 0)
    end as value,
    case sign
        when 'numbers' then (usual_deviation / usual_share + 2 * 1.4826 * deviation) / 2
        when 'waiting' then usual_deviation / usual_share
        else usual_deviation / (1 + usual_share)
    end as usual,
    case sign when 'waiting' then orders * usual_share else expected_amount end as expected_amount,
    case sign
        when 'waiting' then orders_with_sign || ' on ' || day || ' of ' || orders || ' that waited'
        when 'numbers' then amount || ' on ' || day || ', ' || (orders - orders_with_sign) || ' with a gap behind their number'
        when 'repeats' then amount || ' on ' || day || ', ' || orders_with_sign || ' the same as another one'
        else amount || ' on ' || day || ', ' || orders_with_sign || ' not ordered, or sent before'
    end as detail
from compared
where
    usual_share is not null
    and orders is not null
    and case sign
        when 'numbers' then usual_share >= 0.5
        when 'waiting' then usual_share > 0
        else usual_share <= 1
    end
