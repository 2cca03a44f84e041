-- What was ordered, as it was when the order left: an edit after that changes no promise of a past day.
-- Grain: one row per account, order and line.
select
    l.account,
    l.order_id,
    l.line_no,
    l.code,
    l.ext_code,
    l.product_name,
    l.quantity,
    l.quantity as quantity_now
from staging.order_lines as l
anti join intermediate.order_line_edit as e
    on
        l.account = e.account
        and l.order_id = e.order_id
where l._deleted_at is null
union all
select
    account,
    order_id,
    line_no,
    code,
    ext_code,
    product_name,
    quantity,
    quantity_now
from intermediate.order_line_edit
