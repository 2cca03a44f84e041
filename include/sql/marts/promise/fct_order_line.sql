-- What was ordered, with the variant each line means.
-- Grain: one row per account, order and line.
with

lines as (

    select
        account,
        order_id,
        line_no,
        code,
        ext_code,
        product_name,
        quantity
    from staging.order_lines
    where _deleted_at is null

)

select
    l.account,
    l.order_id,
    l.line_no,
    m.variant_id,
    m.variant_evidence,
    m.unknown_reason,
    l.code,
    l.ext_code,
    l.product_name,
    l.quantity
from lines as l
inner join intermediate.order_base as o
    on
        l.account = o.account
        and l.order_id = o.order_id
inner join intermediate.order_line as m
    on
        o.order_no = m.order_no
        and l.line_no = m.line_no
