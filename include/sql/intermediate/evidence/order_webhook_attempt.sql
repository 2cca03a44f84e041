-- Which cycle and attempt of their order events belong to, where the order begins again.
-- Grain: one row per event of an order that has a restart; few orders have any.
with

begun_again as (

    select
        e.order_no,
        e.received_no,
        1 + count(*) filter (
            where
                b.is_restored
                and case when b.version_no is null then b.at_utc <= e.at_utc else b.after_utc < e.at_utc end
        ) as cycle_no,
        1 + count(*) filter (where b.is_not_sent and b.at_utc < e.at_utc) as attempt_no
    from intermediate.order_webhook as e
    inner join intermediate.order_restart as b
        on e.order_no = b.order_no
    group by e.order_no, e.received_no

)

select
    b.order_no,
    b.received_no,
    b.cycle_no,
    b.attempt_no,
    b.attempt_no >= coalesce(a.attempt_no, 1) as is_last_attempt
from begun_again as b
left join intermediate.order_last_attempt as a
    on
        b.order_no = a.order_no
        and b.cycle_no = a.cycle_no
