-- Pieces of each pool by the ledger, movements dated later than now included.
-- Grain: one row per account, variant, pool and moment at which it moved.
with

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

moments as (

    select
        account,
        variant_id,
        pool,
        moved_at,
        sum(pieces) as pieces
    from moved
    where pieces <> 0
    group by account, variant_id, pool, moved_at

)

select
    account,
    variant_id,
    pool,
    moved_at,
    cast(sum(pieces) over (partition by account, variant_id, pool order by moved_at) as bigint) as quantity
from moments
