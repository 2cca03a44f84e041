-- The latest attempt to send an order in each of its cycles.
-- Grain: one row per order and cycle with a break; elsewhere the first attempt is the latest.
with

breaks as (

    select
        order_no,
        cycle_no,
        attempt_no
    from intermediate.order_break

)

select
    order_no,
    cycle_no,
    max(attempt_no) as attempt_no
from breaks
group by order_no, cycle_no
