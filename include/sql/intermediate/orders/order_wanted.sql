-- What an order is to consist of: its lines, and in place of a set what was taken for it.
-- Grain: one row per line, and per order and variant of its sets.
with

lines as not materialized (

    select
        order_no,
        variant_id,
        quantity as pieces
    from intermediate.order_line
    where not is_set

),

set_pieces as (

    select
        order_no,
        variant_id,
        taken_pieces as pieces
    from intermediate.order_set_piece
    where taken_pieces > 0

)

select *
from lines
union all
select *
from set_pieces
