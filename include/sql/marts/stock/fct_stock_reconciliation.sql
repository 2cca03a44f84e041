-- The ledger up to the moment the stock was read, beside that stock.
-- Grain: one row per account, variant, pool and snapshot.
with

counts as (

    select
        account,
        variant_id,
        pool,
        snapshot_date,
        snapshot_at,
        quantity,
        unit_price
    from intermediate.stock_count

),

ledger as (

    select
        account,
        variant_id,
        pool,
        moved_at,
        quantity
    from intermediate.stock_ledger

),

-- an average of which some pieces have no known cost is no cost
balances as (

    select
        account,
        variant_id,
        pool,
        valid_from,
        case when average_missing_cost_quantity = 0 then average_bare_unit_cost end as average_bare_unit_cost,
        case when average_missing_cost_quantity = 0 then average_landed_unit_cost end as average_landed_unit_cost
    from marts.fct_stock_balance

),

snapshots as (

    select
        account,
        snapshot_date,
        max(snapshot_at) as snapshot_at
    from counts
    group by account, snapshot_date

),

beginnings as (

    select
        account,
        variant_id,
        pool,
        min(moved_at) as moved_at
    from ledger
    group by account, variant_id, pool

),

-- a variant that stands on one side only is looked at too
keys as (

    select
        account,
        variant_id,
        pool,
        snapshot_date
    from counts
    union
    select
        b.account,
        b.variant_id,
        b.pool,
        s.snapshot_date
    from beginnings as b
    inner join snapshots as s
        on
            b.account = s.account
            and b.moved_at <= s.snapshot_at

),

timed as (

    select
        k.account,
        k.variant_id,
        k.pool,
        k.snapshot_date,
        s.snapshot_at
    from keys as k
    inner join snapshots as s
        on
            k.account = s.account
            and k.snapshot_date = s.snapshot_date

),

compared as (

    select
        t.account,
        t.variant_id,
        t.pool,
        t.snapshot_date,
        t.snapshot_at,
        c.quantity as snapshot_quantity,
        l.quantity as ledger_quantity,
        coalesce(c.quantity, 0) - coalesce(l.quantity, 0) as quantity_diff,
        c.unit_price as snapshot_unit_price,
        cast(l.moved_at as date) as moved_date
    from timed as t
    left join counts as c
        on
            t.account = c.account
            and t.variant_id = c.variant_id
            and t.pool = c.pool
            and t.snapshot_date = c.snapshot_date
    asof left join ledger as l
        on
            t.account = l.account
            and t.variant_id = l.variant_id
            and t.pool = l.pool
            and t.snapshot_at >= l.moved_at

),

-- a difference lasts until a snapshot without it
runs as (

    select
        *,
        count(*) filter (where quantity_diff = 0) over (
            partition by account, variant_id, pool
            order by snapshot_date
        ) as run_no
    from compared

)

select
    r.account,
    r.variant_id,
    r.pool,
    r.snapshot_date,
    r.snapshot_at,
    r.snapshot_quantity,
    r.ledger_quantity,
    r.quantity_diff,
    r.snapshot_unit_price,
    b.average_bare_unit_cost,
    b.average_landed_unit_cost,
    case
        when r.quantity_diff <> 0
            then min(r.snapshot_date) filter (where r.quantity_diff <> 0) over (
                partition by r.account, r.variant_id, r.pool, r.run_no
            )
    end as first_seen_date
from runs as r
asof left join balances as b
    on
        r.account = b.account
        and r.variant_id = b.variant_id
        and r.pool = b.pool
        -- DuckDB's sorted ASOF join takes NULL for later than everything
        and coalesce(r.moved_date, date '0001-01-01') >= b.valid_from
