-- How far an order came: its milestones, with what the ledger says of its stock.
-- Grain: one row per order and cycle.
with

-- what customers brought back, of few orders
returns as (

    select
        order_no,
        cycle_no,
        min(moved_at_utc) filter (where is_put_back = false) as stock_in_at_utc,
        min(moved_at_utc) filter (where is_put_back is distinct from true and damaged_pieces > 0) as damaged_in_at_utc
    from intermediate.order_return
    group by order_no, cycle_no

),

bounded as (

    select
        m.*,
        r.stock_in_at_utc,
        r.damaged_in_at_utc,
        s.first_stock_out_at_utc,
        s.last_stock_out_at_utc,
        s.later_pieces,
        g.order_no is not null as has_gap,
        case when has_gap then 'in quarantine: ' || g.table_name else s.unknown_reason end as unknown_reason,
        case when not has_gap then s.extra_pieces end as extra_pieces,
        case when not has_gap then s.stock_out_after_utc end as stock_out_after_utc,
        case when not has_gap then s.stock_out_at_utc end as stock_out_at_utc,
        case when not has_gap then s.is_in_full end as is_in_full,
        coalesce(s.is_complete, false) and not has_gap as is_complete,
        coalesce(s.is_anything_out, false) as is_anything_out
    from intermediate.order_milestone as m
    left join intermediate.order_stock_out as s
        on
            m.order_no = s.order_no
            and m.cycle_no = s.cycle_no
    left join returns as r
        on
            m.order_no = r.order_no
            and m.cycle_no = r.cycle_no
    left join intermediate.order_gap as g
        on m.order_no = g.order_no

)

select
    * exclude (stock_in_at_utc) replace (
        -- goods packed, sent or delivered had left before: leaving bounds them from below
        case
            when stock_out_at_utc <= packed_at_utc then greatest(packed_after_utc, stock_out_after_utc)
            else packed_after_utc
        end as packed_after_utc,
        case
            when stock_out_at_utc <= sent_at_utc then greatest(sent_after_utc, stock_out_after_utc)
            else sent_after_utc
        end as sent_after_utc,
        case
            when stock_out_at_utc <= delivered_at_utc then greatest(delivered_after_utc, stock_out_after_utc)
            else delivered_after_utc
        end as delivered_after_utc,
        case when stock_in_at_utc is null then returned_after_utc end as returned_after_utc,
        coalesce(stock_in_at_utc, returned_at_utc) as returned_at_utc,
        case when stock_in_at_utc is not null then 'movement' else returned_evidence end as returned_evidence
    ),
    returned_at_utc is not null as has_returned_status
from bounded
