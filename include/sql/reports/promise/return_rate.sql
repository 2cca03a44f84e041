-- Units that came back, by the month they were shipped and the age of that month.
-- Grain: one row per account, month of shipping and age in months.
with

events as (

    select
        account,
        order_id,
        event_type,
        occurred_at_utc,
        pieces,
        damaged_pieces,
        is_put_back
    from marts.fct_order_event
    where event_type in ('stock_out', 'stock_in')

),

current_run as (

    select cast(date_trunc('month', as_of) as date) as last_month
    from meta.current_run

),

monthly as (

    select
        e.account,
        e.order_id,
        e.event_type,
        e.occurred_at_utc,
        intermediate.local_month_of(e.occurred_at_utc, z.utc_offset, z.utc_change_at, z.utc_offset_after)
            as month_start,
        e.pieces,
        e.damaged_pieces,
        e.is_put_back
    from events as e
    inner join intermediate.calendar_zone_day as z
        on cast(e.occurred_at_utc as date) = z.date

),

left_stock as (

    select
        account,
        month_start as ship_month,
        sum(pieces) as pieces
    from monthly
    where event_type = 'stock_out'
    group by account, month_start

),

came_back as (

    select
        account,
        order_id,
        occurred_at_utc,
        month_start,
        pieces,
        damaged_pieces,
        is_put_back
    from monthly
    where event_type = 'stock_in'

),

-- what comes back belongs to the month in which its order last left before it
dated as (

    select
        r.account,
        s.month_start as ship_month,
        r.month_start as return_month,
        r.pieces,
        r.damaged_pieces,
        r.is_put_back
    from came_back as r
    inner join monthly as s
        on
            r.account = s.account
            and r.order_id = s.order_id
            and s.event_type = 'stock_out'
            and s.occurred_at_utc <= r.occurred_at_utc
    qualify row_number() over (
        partition by r.account, r.order_id, r.occurred_at_utc, r.pieces, r.damaged_pieces
        order by s.occurred_at_utc desc
    ) = 1

),

-- pieces put back before the order was sent were never shipped
put_back as (

    select
        account,
        ship_month,
        sum(pieces) as pieces
    from dated
    where is_put_back
    group by account, ship_month

),

shipped as (

    select
        l.account,
        l.ship_month,
        l.pieces - coalesce(b.pieces, 0) as shipped_units
    from left_stock as l
    left join put_back as b
        on
            l.account = b.account
            and l.ship_month = b.ship_month

),

returned as (

    select
        account,
        ship_month,
        date_diff('month', ship_month, return_month) as age_months,
        sum(pieces) as returned_units,
        sum(damaged_pieces) as damaged_units,
        sum(pieces) filter (where is_put_back is null) as doubtful_units
    from dated
    where is_put_back is distinct from true
    group by all

),

-- every age a month has reached, also without a return
ages as (

    select
        s.account,
        s.ship_month,
        s.shipped_units,
        unnest(range(0, date_diff('month', s.ship_month, r.last_month) + 1)) as age_months
    from shipped as s
    cross join current_run as r

),

running as (

    select
        a.account,
        a.ship_month,
        a.age_months,
        a.shipped_units,
        coalesce(t.returned_units, 0) as returned_units,
        sum(coalesce(t.returned_units, 0)) over up_to_age as returned_units_so_far,
        sum(coalesce(t.damaged_units, 0)) over up_to_age as damaged_units_so_far,
        sum(coalesce(t.doubtful_units, 0)) over up_to_age as doubtful_units_so_far,
        a.age_months = max(a.age_months) over (partition by a.account, a.ship_month) as is_latest_age
    from ages as a
    left join returned as t
        on
            a.account = t.account
            and a.ship_month = t.ship_month
            and a.age_months = t.age_months
    window up_to_age as (partition by a.account, a.ship_month order by a.age_months)

)

select
    account,
    ship_month,
    age_months,
    is_latest_age,
    shipped_units,
    returned_units,
    returned_units_so_far,
    damaged_units_so_far,
    doubtful_units_so_far,
    returned_units_so_far / nullif(shipped_units, 0) as return_rate
from running
