-- What was ordered, with the variant its warehouse code names.
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
        order_id
    from staging.orders
    where _deleted_at is null

),

codes as (

    select
        account,
        code,
        variant_id
    from intermediate.variant_code

)

select
    l.account,
    l.order_id,
    l.line_no,
    c.variant_id,
    l.code,
    l.ext_code,
    l.product_name,
    l.quantity
from lines as l
inner join orders as o
    on
        l.account = o.account
        and l.order_id = o.order_id
left join codes as c
    on
        l.account = c.account
        and l.code = c.code
