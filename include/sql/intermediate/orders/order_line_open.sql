-- Lines whose code does not say for good which variant of the stock is meant.
-- Grain: one row per order and line; few lines are.
with

codes as (

    select
        c.account,
        c.code,
        c.variant_id,
        m.variant_id is null as is_unmoved
    from intermediate.variant_code as c
    left join intermediate.moved_variant as m
        on
            c.account = m.account
            and c.variant_id = m.variant_id

),

-- the order's own items give a code to another variant than the catalogue does
named_otherwise as (

    select distinct
        i.account,
        i.order_id,
        i.code
    from intermediate.order_item as i
    left join codes as c
        on
            i.account = c.account
            and i.code = c.code
    where c.variant_id is distinct from i.variant_id

),

lines as (

    select
        l.account,
        l.order_id,
        l.line_no,
        l.code
    from intermediate.order_line_as_sent as l
    left join codes as c
        on
            l.account = c.account
            and l.code = c.code
    left join named_otherwise as o
        on
            l.account = o.account
            and l.order_id = o.order_id
            and l.code = o.code
    where c.code is null or c.is_unmoved or o.code is not null

)

select
    k.order_no,
    l.line_no,
    l.account,
    l.order_id,
    l.code,
    o.created_at
from lines as l
inner join intermediate.order_base as k
    on
        l.account = k.account
        and l.order_id = k.order_id
inner join staging.orders as o
    on
        l.account = o.account
        and l.order_id = o.order_id
