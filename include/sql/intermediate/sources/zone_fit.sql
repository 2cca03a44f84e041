-- Whether the warehouse sends times of the run's zone or of UTC, by the counts that can tell.
-- Grain: one row per account and reading.
with

movements as (

    select
        account,
        variant_id,
        moved_at,
        direction,
        quantity,
        damaged_quantity
    from marts.fct_stock_movement

),

counts as (

    select
        account,
        variant_id,
        pool,
        snapshot_date,
        snapshot_at,
        quantity_diff
    from marts.fct_stock_reconciliation

),

current_run as (

    select
        cast(as_of as date) as today,
        zone
    from meta.current_run

),

moments as (

    select
        c.*,
        staging.utc_of(c.snapshot_at, r.zone) as other_at
    from counts as c
    cross join current_run as r
    where c.snapshot_date > r.today - 28

),

-- only counts near which something moved can tell: those pieces are in by one clock and not by the other
moved_between as (

    select
        c.account,
        c.variant_id,
        c.pool,
        c.snapshot_date,
        any_value(c.quantity_diff) as quantity_diff,
        sum(
            case when c.other_at < c.snapshot_at then -1 else 1 end
            * case m.direction when 'in' then 1 else -1 end
            * case c.pool when 'sellable' then m.quantity else m.damaged_quantity end
        ) as other_pieces
    from moments as c
    inner join movements as m
        on
            c.account = m.account
            and c.variant_id = m.variant_id
            and m.moved_at > least(c.snapshot_at, c.other_at)
            and m.moved_at <= greatest(c.snapshot_at, c.other_at)
    where case c.pool when 'sellable' then m.quantity else m.damaged_quantity end <> 0
    group by c.account, c.variant_id, c.pool, c.snapshot_date

),

compared as (

    select
        account,
        count(*) as compared,
        count(*) filter (where quantity_diff = 0) as agreeing,
        count(*) filter (where quantity_diff - other_pieces = 0) as other_agreeing
    from moved_between
    group by account

)

select
    c.account,
    'zone of created' as assumption,
    unnest([r.zone, 'UTC']) as reading,
    unnest([true, false]) as is_in_force,
    c.compared,
    unnest([c.agreeing, c.other_agreeing]) as agreeing
from compared as c
cross join current_run as r
