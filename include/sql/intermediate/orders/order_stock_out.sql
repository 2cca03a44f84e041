-- When the ordered pieces of an order left: added up, or replayed where pieces came back or left twice.
-- Grain: one row per order and cycle in which anything left.
with

summed as (

    select
        order_no,
        cycle_no,
        extra_pieces,
        later_pieces,
        unknown_reason,
        first_stock_out_at_utc,
        stock_out_after_utc,
        stock_out_at_utc,
        last_stock_out_at_utc,
        is_complete,
        is_in_full,
        is_anything_out
    from intermediate.order_fill
    where not is_replayed

),

replayed as (

    select
        order_no,
        cycle_no,
        extra_pieces,
        later_pieces,
        unknown_reason,
        first_stock_out_at_utc,
        stock_out_after_utc,
        stock_out_at_utc,
        last_stock_out_at_utc,
        is_complete,
        is_in_full,
        is_anything_out
    from intermediate.order_replay

)

select *
from summed
union all by name
select *
from replayed
