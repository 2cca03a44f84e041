-- Stock and its value at the end of a local day, as it was known on another.
-- Grain: one row per account and variant that had moved by then, as far as was known.
with

first_loads as (

    select
        account,
        cast(min(_valid_from) as date) as known_since
    from staging.movements_history
    where _in_first_load
    group by account

),

-- an empty answer would read as an empty shelf
first_known as (

    select min(known_from) as known_from
    from (
        select known_from
        from marts.fct_stock_movement
        union all
        select known_from
        from marts.fct_stock_movement_version
    )

)

select
    h.*,
    f.known_since
from intermediate.stock_value_at(day, known_day) as h
left join first_loads as f
    on h.account = f.account
union all by name
-- no row, or the reason
select cast(null as varchar) as account
from first_known
where
    case
        when known_day < known_from
            then error(
                'Nothing is known on ' || known_day || ': the first movement is known from ' || known_from
                || ' on. Ask for a known_day from then on.'
            )
        else false
    end
