-- Pieces of each pool by the ledger, movements dated later than now included.
-- Grain: one row per account, variant, pool and moment at which it moved; a day without a count is one moment, its last.
with

count_days as (

    select distinct
        account,
        cast(snapshot_at as date) as date
    from intermediate.stock_count

),

movements as (

    select
        account,
        variant_id,
        moved_at,
        case direction when 'in' then quantity else -quantity end as sellable_pieces,
        case direction when 'in' then damaged_quantity else -damaged_quantity end as damaged_pieces
    from marts.fct_stock_movement
    union all
    -- the stock is read after the run's now: what moved in between is in the count
    select
        account,
        variant_id,
        moved_at,
        case direction when 'in' then quantity else -quantity end as sellable_pieces,
        case direction when 'in' then damaged_quantity else -damaged_quantity end as damaged_pieces
    from intermediate.later_movement

),

moved as (

    select
        account,
        variant_id,
        'sellable' as pool,
        moved_at,
        sellable_pieces as pieces
    from movements
    union all
    select
        account,
        variant_id,
        'damaged' as pool,
        moved_at,
        damaged_pieces as pieces
    from movements

),

-- no count tells the moments of another day apart, and there are few days of counts
moments as (

    select
        m.account,
        m.variant_id,
        m.pool,
        max(m.moved_at) as moved_at,
        sum(m.pieces) as pieces
    from moved as m
    left join count_days as d
        on
            m.account = d.account
            and cast(m.moved_at as date) = d.date
    where m.pieces <> 0
    group by m.account, m.variant_id, m.pool, cast(m.moved_at as date), case when d.date is not null then m.moved_at end

)

select
    account,
    variant_id,
    pool,
    moved_at,
    cast(sum(pieces) over (partition by account, variant_id, pool order by moved_at) as bigint) as quantity
from moments
