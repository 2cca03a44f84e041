-- What was ordered: the variant each line means, by the evidence there is.
-- Grain: one row per order and line.
with

-- few lines
meanings as (

    select
        order_no,
        line_no,
        is_set,
        variant_id,
        variant_evidence,
        unknown_reason
    from intermediate.order_line_meaning

),

-- read in place each time, never copied
lines as not materialized (

    select
        k.order_no,
        l.account,
        l.order_id,
        l.line_no,
        l.code,
        l.ext_code,
        l.product_name,
        c.variant_id,
        l.quantity,
        l.quantity_now
    from intermediate.order_line_as_sent as l
    inner join intermediate.order_base as k
        on
            l.account = k.account
            and l.order_id = k.order_id
            -- true of all, but planned as a fifth of them: so lines are looked up in orders
            and k.order_no is not null
    left join intermediate.variant_code as c
        on
            l.account = c.account
            and l.code = c.code

)

select
    l.order_no,
    l.account,
    l.order_id,
    l.line_no,
    l.code,
    l.ext_code,
    l.product_name,
    l.quantity,
    l.quantity_now,
    coalesce(m.is_set, false) as is_set,
    case when m.line_no is null then l.variant_id else m.variant_id end as variant_id,
    case when m.line_no is null then 'code' else m.variant_evidence end as variant_evidence,
    m.unknown_reason
from lines as l
left join meanings as m
    on
        l.order_no = m.order_no
        and l.line_no = m.line_no
