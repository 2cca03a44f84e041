-- Orders whose movements are replayed: pieces came back, or more of a variant left than was ordered.
-- Grain: one row per order and cycle; few orders have any.
select
    order_no,
    cycle_no
from intermediate.order_movement
where direction = 'in'
union
select
    order_no,
    cycle_no
from intermediate.order_variant
where issued_pieces > ordered_pieces
