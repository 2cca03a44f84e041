-- Which cycle and attempt of their order polled versions belong to, where the order begins again.
-- Grain: one row per version of an order that has a restart; few orders have any.
with

ordered as (

    select
        p.order_no,
        p.version_no,
        b.is_restored,
        b.is_not_sent,
        -- the version that shows a restart already belongs to what begins with it
        case when b.version_no is null then b.at_utc <= p.at_utc else b.version_no <= p.version_no end as is_past
    from intermediate.order_poll as p
    inner join intermediate.order_restart as b
        on p.order_no = b.order_no

),

begun_again as (

    select
        order_no,
        version_no,
        1 + count(*) filter (where is_restored and is_past) as cycle_no,
        1 + count(*) filter (where is_not_sent and is_past) as attempt_no
    from ordered
    group by order_no, version_no

)

select
    b.order_no,
    b.version_no,
    b.cycle_no,
    b.attempt_no,
    b.attempt_no >= coalesce(a.attempt_no, 1) as is_last_attempt
from begun_again as b
left join intermediate.order_last_attempt as a
    on
        b.order_no = a.order_no
        and b.cycle_no = a.cycle_no
