-- Which reading of what the API leaves open fits the data, counted.
-- Grain: one row per account, assumption and reading.
with

readings as (

    select
        account,
        assumption,
        reading,
        is_in_force,
        compared,
        agreeing
    from intermediate.damaged_quantity_fit
    union all
    select
        account,
        assumption,
        reading,
        is_in_force,
        compared,
        agreeing
    from intermediate.zone_fit
    union all by name
    -- no figure depends on a reading of these
    select
        account,
        assumption,
        reading,
        compared,
        agreeing
    from intermediate.price_fit
    union all by name
    select
        account,
        assumption,
        reading,
        compared,
        agreeing
    from intermediate.ledger_fit

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
