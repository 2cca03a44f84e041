-- Pieces on hand at the end of a local day at headline cost, told apart by the receipt they came with and by their expiry.
-- Grain: one row per account, receipt, pool and expiry, of accounts with rules of write-down in force on the day.
with

rules as (

    select
        account,
        applies_to
    from intermediate.account_write_down_rule
    where
        (valid_from is null or valid_from <= day)
        and (valid_to is null or valid_to > day)

),

balances as (

    select
        b.account,
        b.variant_id,
        b.pool,
        b.average_landed_unit_cost,
        b.average_bare_unit_cost,
        b.average_landed_value,
        b.average_bare_value,
        h.headline
    from marts.fct_stock_balance as b
    inner join intermediate.account_headline as h on b.account = h.account
    where
        b.valid_from <= day
        and (b.valid_to is null or b.valid_to > day)
        and b.quantity > 0
        and b.account in (select account from rules)
        -- a factor leaves 38 digits beyond that size
        and greatest(b.fifo_landed_value, b.fifo_bare_value, b.average_landed_value, b.average_bare_value)
        < 100000000000000000000

),

last_issues as (

    select
        account,
        variant_id,
        max(cast(moved_at as date)) as issued_date
    from marts.fct_stock_movement
    where
        direction = 'out'
        and kind in ('dispatch', 'transformation')
        and moved_at < day + interval 1 day
        and account in (select account from rules where applies_to = 'no_issue')
    group by account, variant_id

),

expired as (

    select
        account,
        variant_id,
        pool,
        quantity_least,
        quantity_most
    from intermediate.expired_stock_at(day)
    where account in (select account from rules where applies_to = 'expired')

),

layers as (

    select
        l.*,
        -- the oldest pieces expire first
        coalesce(sum(l.quantity) over older, 0) as older_quantity,
        greatest(least(coalesce(e.quantity_least, 0) - older_quantity, l.quantity), 0) as expired_quantity,
        greatest(least(coalesce(e.quantity_most, 0) - older_quantity, l.quantity), 0) as expired_quantity_most,
        -- pieces that came after the last issue were not there to be issued
        greatest(min(l.received_date) over (partition by l.account, l.variant_id, l.pool), i.issued_date) as idle_since
    from intermediate.stock_layer_at(day) as l
    left join last_issues as i
        on
            l.account = i.account
            and l.variant_id = i.variant_id
    left join expired as e
        on
            l.account = e.account
            and l.variant_id = e.variant_id
            and l.pool = e.pool
    window older as (
        partition by l.account, l.variant_id, l.pool
        order by l.received_date, l.receipt_id
        rows between unbounded preceding and 1 preceding
    )

),

parts as (

    select
        *,
        unnest(['expired', 'doubtful', 'sound']) as expiry,
        unnest([
            expired_quantity, expired_quantity_most - expired_quantity, quantity - expired_quantity_most
        ]) as part_quantity
    from layers

),

-- by FIFO the pieces of a layer cost the same, by the average those of a pool
costs as (

    select
        p.account,
        p.variant_id,
        p.pool,
        p.receipt_id,
        p.received_date,
        p.idle_since,
        p.expiry,
        p.part_quantity as quantity,
        case when b.headline in ('fifo_landed', 'fifo_bare') then p.receipt_id else 0 end as cost_group,
        intermediate.headline(
            b.headline, p.landed_value, p.bare_value, b.average_landed_value, b.average_bare_value
        ) as group_value,
        cast(
            intermediate.headline(
                b.headline,
                p.unit_cost_landed,
                p.unit_cost_bare,
                b.average_landed_unit_cost,
                b.average_bare_unit_cost
            ) * p.part_quantity as decimal(38, 12)
        ) as part_cost
    from parts as p
    inner join balances as b
        on
            p.account = b.account
            and p.variant_id = b.variant_id
            and p.pool = b.pool
    where p.part_quantity > 0

),

ordered as (

    select
        *,
        -- the youngest pieces take the remainder of the division
        row_number() over (
            partition by account, variant_id, pool, cost_group
            order by received_date desc, receipt_id desc, expiry desc
        ) = 1 as is_youngest
    from costs

)

select
    account,
    variant_id,
    pool,
    receipt_id,
    received_date,
    idle_since,
    expiry,
    quantity,
    case
        when is_youngest
            then
                group_value - coalesce(
                    sum(case when is_youngest then 0 else part_cost end) over (
                        partition by account, variant_id, pool, cost_group
                    ), 0
                )
        else part_cost
    end as cost
from ordered
