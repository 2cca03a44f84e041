-- Stock that came back from orders: put back before sending, or returned by the customer.
-- Grain: one row per account and movement in that names an order.
with

movements as (

    select
        account,
        movement_id,
        order_no,
        cycle_no,
        variant_id,
        pieces,
        damaged_pieces,
        moved_at_utc
    from intermediate.order_movement
    where direction = 'in'

)

select
    m.account,
    m.movement_id,
    m.order_no,
    m.cycle_no,
    m.variant_id,
    m.pieces,
    m.damaged_pieces,
    m.moved_at_utc,
    case
        -- nothing says that it was sent
        when s.order_no is null then true
        when m.moved_at_utc >= s.sent_at_utc then false
        when s.is_first_seen then m.moved_at_utc <= r.stock_out_at_utc
        when m.moved_at_utc <= s.sent_after_utc then true
    end as is_put_back
from movements as m
left join intermediate.order_sending as s
    on
        m.order_no = s.order_no
        and m.cycle_no = s.cycle_no
left join intermediate.order_replay as r
    on
        m.order_no = r.order_no
        and m.cycle_no = r.cycle_no
