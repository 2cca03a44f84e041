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

),

orders as (

    select
        account,
        order_id,
        order_no
    from intermediate.order_base

),

meanings as (

    select
        order_no,
        line_no,
        variant_id,
        variant_evidence,
        unknown_reason
    from intermediate.order_line

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
inner join orders as o
    on
        l.account = o.account
        and l.order_id = o.order_id
inner join meanings as m
    on
        o.order_no = m.order_no
        and l.line_no = m.line_no
