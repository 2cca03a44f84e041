-- Whether damaged pieces come on top of a movement's quantity or are part of it, by the counts that can tell.
-- Grain: one row per account and reading.
with

movements as (

    select
        account,
        variant_id,
        moved_at,
        direction,
        kind,
        damaged_quantity
    from marts.fct_stock_movement

),

counts as (

    select
        account,
        variant_id,
        snapshot_date,
        quantity_diff
    from marts.fct_stock_reconciliation
    where pool = 'sellable'

),

settings as (

    select damaged_quantity_is_additive
    from marts.dim_valuation_setting

),

-- only variants of which damaged pieces moved can tell; sellable pieces as the other reading has them
damaged_moves as (

    select
        m.account,
        m.variant_id,
        sum(
            (case m.direction when 'in' then 1 else -1 end)
            * case
                when m.kind = 'opening' then 0
                when s.damaged_quantity_is_additive then -m.damaged_quantity
                else m.damaged_quantity
            end
        ) as other_pieces
    from movements as m
    inner join intermediate.latest_count as l
        on
            m.account = l.account
            and m.moved_at <= l.snapshot_at
    cross join settings as s
    group by m.account, m.variant_id
    having bool_or(m.damaged_quantity <> 0)

),

compared as (

    select
        c.account,
        count(*) as compared,
        count(*) filter (where c.quantity_diff = 0) as agreeing,
        count(*) filter (where c.quantity_diff - d.other_pieces = 0) as other_agreeing
    from counts as c
    inner join intermediate.latest_count as l
        on
            c.account = l.account
            and c.snapshot_date = l.snapshot_date
    inner join damaged_moves as d
        on
            c.account = d.account
            and c.variant_id = d.variant_id
    group by c.account

)

select
    c.account,
    'damaged_quantity' as assumption,
    unnest(['on top of quantity', 'part of quantity']) as reading,
    unnest([s.damaged_quantity_is_additive, not s.damaged_quantity_is_additive]) as is_in_force,
    c.compared,
    unnest(
        case
            when s.damaged_quantity_is_additive then [c.agreeing, c.other_agreeing]
            else [c.other_agreeing, c.agreeing]
        end
    ) as agreeing
from compared as c
cross join settings as s
