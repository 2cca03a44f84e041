-- What changed the value of stock on a day, by what happened: the days' sums are the changes of the stock value.
-- Grain: one row per account, local day, pool and kind of what happened.
with

settings as (

    select headline_method || '_' || headline_basis as headline
    from marts.dim_valuation_setting

),

changes as (

    select
        account,
        date,
        pool,
        happened,
        columns('_change$')
    from intermediate.movement_change

)

select
    c.account,
    c.date,
    c.pool,
    c.happened,
    sum(
        intermediate.headline(
            s.headline,
            c.fifo_landed_change,
            c.fifo_bare_change,
            c.average_landed_change,
            c.average_bare_change
        )
    ) as value_change
from changes as c
cross join settings as s
group by c.account, c.date, c.pool, c.happened
