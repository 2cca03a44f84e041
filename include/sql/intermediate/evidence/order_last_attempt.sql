-- The latest attempt to send an order in each of its cycles.
-- Grain: one row per order and cycle with a restart; elsewhere the first attempt is the latest.
with

restarts as (

    select
        order_no,
        cycle_no,
        attempt_no
    from intermediate.order_restart

)

select
    order_no,
    cycle_no,
    max(attempt_no) as attempt_no
from restarts
group by order_no, cycle_no
