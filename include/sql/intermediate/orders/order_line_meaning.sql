-- What each open line means in the end, a set included.
-- Grain: one row per order and line of order_line_reading.
with

sets as (

    select
        order_no,
        bool_or(taken_pieces > 0) as is_taken,
        bool_or(issued_pieces > 0) as is_issued
    from intermediate.order_set_piece
    group by order_no

),

readings as (

    select
        r.order_no,
        r.line_no,
        r.variant_id,
        r.variant_evidence,
        r.unknown_reason,
        r.is_perhaps_set and coalesce(s.is_taken, false) as is_set,
        -- something else left in its place, and nothing says that it belongs to a set
        r.is_perhaps_set and coalesce(s.is_issued and not s.is_taken, false) as is_unclear
    from intermediate.order_line_reading as r
    left join sets as s
        on r.order_no = s.order_no

)

select
    order_no,
    line_no,
    is_set,
    case when not (is_set or is_unclear) then variant_id end as variant_id,
    case when is_set then 'set' when not is_unclear then variant_evidence end as variant_evidence,
    case
        when is_set then null
        when variant_id is null then unknown_reason
        when is_unclear then 'perhaps a set'
    end as unknown_reason
from readings
