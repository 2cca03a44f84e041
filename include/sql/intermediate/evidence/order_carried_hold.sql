-- Holds that no event ended before their order was restored: they hold the new cycle too.
-- Grain: one row per order and cycle that a restore began; few orders have any.
with

restores as (

    select
        order_no,
        cycle_no,
        after_utc,
        at_utc
    from intermediate.order_restart
    where is_restored

),

holds as (

    select
        order_no,
        event_type,
        at_utc
    from intermediate.order_standstill
    where
        evidence = 'webhook'
        and event_type in ('created_on_hold', 'hold_set')

),

-- many, of which few are asked for: not copied
endings as not materialized (

    select
        order_no,
        cast(event_type as varchar) as event_type,
        at_utc
    from intermediate.order_webhook
    where event_type in ('pushed', 'released')

),

events as (

    select *
    from holds
    union all
    select *
    from endings

)

select
    r.order_no,
    r.cycle_no,
    r.after_utc,
    r.at_utc
from events as e
inner join restores as r
    on
        e.order_no = r.order_no
        and e.at_utc < r.at_utc
group by r.order_no, r.cycle_no, r.after_utc, r.at_utc
having arg_max_null(e.event_type, e.at_utc) in ('created_on_hold', 'hold_set')
