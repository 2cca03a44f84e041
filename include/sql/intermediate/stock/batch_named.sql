-- Whether every piece of a variant with batches is named, and how many came in without a name.
-- Grain: one row per account and variant that has batches.
with

came as (

    select
        account,
        receiving_id,
        variant_id,
        coalesce(sum(quantity) filter (where quality is distinct from 0), 0) as quantity,
        coalesce(sum(quantity) filter (where quality = 0), 0) as damaged_quantity,
        coalesce(sum(quantity) filter (where is_nameless and quality is distinct from 0), 0) as nameless_quantity,
        coalesce(sum(quantity) filter (where is_nameless and quality = 0), 0) as nameless_damaged_quantity
    from intermediate.batch_receipt
    group by account, receiving_id, variant_id

),

went as (

    select
        account,
        order_id,
        variant_id,
        sum(quantity) as quantity,
        any_value(issued_quantity) as issued_quantity,
        bool_or(is_nameless) as has_nameless
    from intermediate.batch_issue
    group by account, order_id, variant_id

),

movements as (

    select
        m.account,
        m.receiving_id,
        m.variant_id,
        m.kind,
        m.direction,
        m.quantity,
        m.damaged_quantity
    from marts.fct_stock_movement as m
    inner join intermediate.batch_variant as v
        on
            m.account = v.account
            and m.variant_id = v.variant_id
    where m.quantity + m.damaged_quantity > 0

),

receipts as (

    select
        account,
        receiving_id,
        variant_id,
        sum(quantity) as quantity,
        sum(damaged_quantity) as damaged_quantity
    from movements
    where
        kind = 'receiving'
        and direction = 'in'
    group by account, receiving_id, variant_id

),

received as (

    select
        coalesce(c.account, r.account) as account,
        coalesce(c.variant_id, r.variant_id) as variant_id,
        coalesce(c.quantity, 0) <> coalesce(r.quantity, 0)
        or coalesce(c.damaged_quantity, 0) <> coalesce(r.damaged_quantity, 0)
        or coalesce(c.nameless_quantity + c.nameless_damaged_quantity, 0) > 0 as is_doubtful,
        coalesce(c.nameless_quantity, 0)
        + greatest(coalesce(r.quantity, 0) - coalesce(c.quantity, 0), 0) as nameless_quantity,
        coalesce(c.nameless_damaged_quantity, 0)
        + greatest(coalesce(r.damaged_quantity, 0) - coalesce(c.damaged_quantity, 0), 0) as nameless_damaged_quantity
    from came as c
    full join receipts as r
        on
            c.account = r.account
            and c.receiving_id = r.receiving_id
            and c.variant_id = r.variant_id

),

-- a return, a correction or a carton opened names no batch; a sound piece that comes back had come before
other as (

    select
        account,
        variant_id,
        true as is_doubtful,
        case when direction = 'in' and kind <> 'return' then quantity else 0 end as nameless_quantity,
        case when direction = 'in' then damaged_quantity else 0 end as nameless_damaged_quantity
    from movements
    where kind not in ('receiving', 'dispatch')

),

doubts as (

    select *
    from received
    union all by name
    select *
    from other
    union all by name
    select
        account,
        variant_id,
        quantity <> issued_quantity or has_nameless as is_doubtful,
        0 as nameless_quantity,
        0 as nameless_damaged_quantity
    from went

),

summed as (

    select
        account,
        variant_id,
        bool_or(is_doubtful) as is_doubtful,
        cast(sum(nameless_quantity) as bigint) as nameless_quantity,
        cast(sum(nameless_damaged_quantity) as bigint) as nameless_damaged_quantity
    from doubts
    group by account, variant_id

)

select
    v.account,
    v.variant_id,
    not coalesce(s.is_doubtful, false) as is_named,
    coalesce(s.nameless_quantity, 0) as nameless_quantity,
    coalesce(s.nameless_damaged_quantity, 0) as nameless_damaged_quantity
from intermediate.batch_variant as v
left join summed as s
    on
        v.account = s.account
        and v.variant_id = s.variant_id
