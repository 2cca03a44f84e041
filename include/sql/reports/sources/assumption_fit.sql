-- Which reading of what the API leaves open fits the data, counted.
-- Grain: one row per account, assumption and reading.
with

movements as (

    select
        account,
        movement_id,
        variant_id,
        moved_at,
        direction,
        kind,
        quantity,
        damaged_quantity,
        source_unit_price,
        fifo_landed_unit_cost,
        fifo_bare_unit_cost,
        average_landed_unit_cost,
        average_bare_unit_cost
    from marts.fct_stock_movement

),

versions as (

    select
        account,
        movement_id
    from marts.fct_stock_movement_version

),

reconciliation as (

    select
        account,
        variant_id,
        pool,
        snapshot_date,
        snapshot_at,
        snapshot_quantity,
        quantity_diff,
        snapshot_unit_price
    from marts.fct_stock_reconciliation

),

balances as (

    select
        account,
        variant_id,
        valid_from,
        valid_to,
        quantity,
        fifo_landed_value,
        fifo_bare_value,
        average_landed_value,
        average_bare_value
    from marts.fct_stock_balance
    where pool = 'sellable'

),

settings as (

    select damaged_quantity_is_additive
    from marts.dim_valuation_setting

),

current_run as (

    select
        cast(as_of as date) as today,
        zone
    from meta.current_run

),

latest as (

    select
        account,
        max(snapshot_at) as snapshot_at,
        max(snapshot_date) as snapshot_date
    from reconciliation
    group by account

),

-- only variants of which damaged pieces moved can tell; sellable pieces as the other reading has them
damaged_moves as (

    select
        m.account,
        m.variant_id,
        sum(
            (case m.direction when 'in' then 1 else -1 end)
            * case when m.kind = 'opening' then 0 when s.damaged_quantity_is_additive then -m.damaged_quantity else m.damaged_quantity end
        ) as other_pieces
    from movements as m
    inner join latest as l
        on
            m.account = l.account
            and m.moved_at <= l.snapshot_at
    cross join settings as s
    group by m.account, m.variant_id
    having bool_or(m.damaged_quantity <> 0)

),

damaged_fit as (

    select
        r.account,
        r.quantity_diff = 0 as agrees,
        r.quantity_diff - d.other_pieces = 0 as other_agrees
    from reconciliation as r
    inner join latest as l
        on
            r.account = l.account
            and r.snapshot_date = l.snapshot_date
    inner join damaged_moves as d
        on
            r.account = d.account
            and r.variant_id = d.variant_id
    where r.pool = 'sellable'

),

damaged as (

    select
        f.account,
        'damaged_quantity' as assumption,
        unnest(['on top of quantity', 'part of quantity']) as reading,
        unnest([s.damaged_quantity_is_additive, not s.damaged_quantity_is_additive]) as is_in_force,
        count(*) as compared,
        unnest(
            case
                when s.damaged_quantity_is_additive
                    then [count(*) filter (where f.agrees), count(*) filter (where f.other_agrees)]
                else [count(*) filter (where f.other_agrees), count(*) filter (where f.agrees)]
            end
        ) as agreeing
    from damaged_fit as f
    cross join settings as s
    group by f.account, s.damaged_quantity_is_additive

),

-- only counts near which something moved can tell: those pieces are in by one clock and not by the other
moments as (

    select
        r.account,
        r.variant_id,
        r.pool,
        r.snapshot_date,
        r.snapshot_at,
        r.quantity_diff,
        staging.utc_of(r.snapshot_at, c.zone) as other_at
    from reconciliation as r
    cross join current_run as c
    where r.snapshot_date > c.today - 28

),

zone_fit as (

    select
        r.account,
        r.variant_id,
        r.pool,
        r.snapshot_date,
        any_value(r.quantity_diff) as quantity_diff,
        sum(
            case when r.other_at < r.snapshot_at then -1 else 1 end
            * case m.direction when 'in' then 1 else -1 end
            * case r.pool when 'sellable' then m.quantity else m.damaged_quantity end
        ) as other_pieces
    from moments as r
    inner join movements as m
        on
            r.account = m.account
            and r.variant_id = m.variant_id
            and m.moved_at > least(r.snapshot_at, r.other_at)
            and m.moved_at <= greatest(r.snapshot_at, r.other_at)
    where case r.pool when 'sellable' then m.quantity else m.damaged_quantity end <> 0
    group by r.account, r.variant_id, r.pool, r.snapshot_date

),

zones as (

    select
        f.account,
        'zone of created' as assumption,
        unnest([c.zone, 'UTC']) as reading,
        unnest([true, false]) as is_in_force,
        count(*) as compared,
        unnest(
            [
                count(*) filter (where f.quantity_diff = 0),
                count(*) filter (where f.quantity_diff - f.other_pieces = 0)
            ]
        ) as agreeing
    from zone_fit as f
    cross join current_run as c
    group by f.account, c.zone

),

priced_stock as (

    select
        r.account,
        r.snapshot_unit_price as price,
        b.quantity,
        b.fifo_landed_value,
        b.fifo_bare_value,
        b.average_landed_value,
        b.average_bare_value
    from reconciliation as r
    inner join latest as l
        on
            r.account = l.account
            and r.snapshot_date = l.snapshot_date
    inner join balances as b
        on
            r.account = b.account
            and r.variant_id = b.variant_id
            and b.valid_from <= r.snapshot_date
            and (b.valid_to is null or b.valid_to > r.snapshot_date)
    where
        r.pool = 'sellable'
        and r.quantity_diff = 0
        and abs(r.snapshot_unit_price) < 1000000000
        and b.quantity between 1 and 1000000000

),

-- within a hundredth a piece: the warehouse may round
stock_prices as (

    select
        account,
        'price_per_unit of the stock list' as assumption,
        unnest(['fifo, landed', 'fifo, bare', 'average, landed', 'average, bare']) as reading,
        cast(null as boolean) as is_in_force,
        count(*) as compared,
        unnest(
            [
                count(*) filter (where abs(cast(price * quantity as decimal(38, 12)) - fifo_landed_value) < 0.01 * quantity),
                count(*) filter (where abs(cast(price * quantity as decimal(38, 12)) - fifo_bare_value) < 0.01 * quantity),
                count(*) filter (where abs(cast(price * quantity as decimal(38, 12)) - average_landed_value) < 0.01 * quantity),
                count(*) filter (where abs(cast(price * quantity as decimal(38, 12)) - average_bare_value) < 0.01 * quantity)
            ]
        ) as agreeing
    from priced_stock
    group by account

),

issue_prices as (

    select
        account,
        'price_per_unit of issues' as assumption,
        unnest(['fifo, landed', 'fifo, bare', 'average, landed', 'average, bare']) as reading,
        cast(null as boolean) as is_in_force,
        count(*) as compared,
        unnest(
            [
                count(*) filter (where abs(source_unit_price - fifo_landed_unit_cost) < 0.01),
                count(*) filter (where abs(source_unit_price - fifo_bare_unit_cost) < 0.01),
                count(*) filter (where abs(source_unit_price - average_landed_unit_cost) < 0.01),
                count(*) filter (where abs(source_unit_price - average_bare_unit_cost) < 0.01)
            ]
        ) as agreeing
    from movements
    where
        direction = 'out'
        and source_unit_price is not null
        and average_bare_unit_cost is not null
    group by account

),

followed as (

    select
        account,
        moved_at < max(moved_at) over (
            partition by account
            order by movement_id
            rows between unbounded preceding and 1 preceding
        ) as is_behind
    from movements
    cross join current_run as r
    where
        kind <> 'opening'
        and moved_at >= r.today - 365

),

ids as (

    select
        account,
        'order of ids' as assumption,
        'ids ascend in time' as reading,
        cast(null as boolean) as is_in_force,
        count(*) as compared,
        count(*) filter (where is_behind is not true) as agreeing
    from followed
    group by account

),

rewritten as (

    select
        account,
        movement_id
    from versions
    group by account, movement_id

),

rewrites as (

    select
        m.account,
        'past movements' as assumption,
        'never rewritten or deleted' as reading,
        cast(null as boolean) as is_in_force,
        count(*) as compared,
        count(*) - coalesce(any_value(v.changed), 0) as agreeing
    from movements as m
    left join (
        select
            account,
            count(*) as changed
        from rewritten
        group by account
    ) as v
        on m.account = v.account
    group by m.account

),

readings as (

    select * from damaged
    union all by name
    select * from zones
    union all by name
    select * from stock_prices
    union all by name
    select * from issue_prices
    union all by name
    select * from ids
    union all by name
    select * from rewrites

)

select
    account,
    assumption,
    reading,
    is_in_force,
    compared,
    agreeing,
    agreeing / cast(compared as double) as fit,
    agreeing = max(agreeing) over (partition by account, assumption) and agreeing > 0 as fits_best
from readings
