-- Stock of each pool at the end of a local day, as it was known on another.
-- Grain: one row per account, variant and pool that had moved by then, as far as was known.
with

movements as (

    select
        account,
        variant_id,
        moved_at,
        known_from
    from marts.fct_stock_movement

),

versioned as (

    select distinct
        account,
        variant_id
    from marts.fct_stock_balance_version

),

known as (

    select
        account,
        variant_id,
        pool,
        columns('^(\w+_)?(quantity|value)$')
    from marts.fct_stock_balance_version
    where
        valid_from <= day
        and known_from <= known_day
        and (known_to is null or known_to > known_day)
    qualify
        row_number() over (
            partition by account, variant_id, pool
            order by valid_from desc, known_from desc
        ) = 1

),

-- of every other variant a day is known from the night after it, or whole from the day itself
known_at_once as (

    select distinct
        account,
        variant_id
    from movements
    where
        moved_at >= known_day
        and moved_at < known_day + interval 1 day
        and known_from <= known_day

),

last_days as (

    select
        b.account,
        b.variant_id,
        case
            when day < known_day then day
            when o.variant_id is not null then known_day
            else cast(known_day - interval 1 day as date)
        end as last_day
    from (
        select distinct
            account,
            variant_id
        from marts.fct_stock_balance
    ) as b
    left join known_at_once as o
        on
            b.account = o.account
            and b.variant_id = o.variant_id
    left join versioned as v
        on
            b.account = v.account
            and b.variant_id = v.variant_id
    where v.variant_id is null

)

select
    account,
    variant_id,
    pool,
    columns('(quantity|value)$')
from known
union all by name
select
    b.account,
    b.variant_id,
    b.pool,
    columns('^(\w+_)?(quantity|value)$')
from marts.fct_stock_balance as b
inner join last_days as d
    on
        b.account = d.account
        and b.variant_id = d.variant_id
where
    b.valid_from <= d.last_day
    and (b.valid_to is null or b.valid_to > d.last_day)
