-- Stock of each category at the end of every local day, also of days on which nothing moved.
-- Grain: one row per account, category and local day from the category's first movement to the day of the run.
with

balances as (

    select
        account,
        variant_id,
        pool,
        valid_from as date,
        columns('^(\w+_)?(quantity|value)$')
    from intermediate.stock_balance

),

current_run as (

    select cast(as_of as date) as last_date
    from meta.current_run

),

-- what each change added: exact sums of these are exact sums of the balances of a day
changes as (

    select
        account,
        variant_id,
        pool,
        date,
        columns('(quantity|value)$') - coalesce(lag(columns('(quantity|value)$')) over earlier, 0) as '\0'
    from balances
    window earlier as (partition by account, variant_id, pool order by date)

),

changed_days as (

    select
        c.account,
        v.category_path,
        c.date,
        coalesce(sum(columns('^(quantity|\w+_value)$')) filter (where c.pool = 'sellable'), 0) as '\1',
        coalesce(sum(columns('^(quantity|\w+_value)$')) filter (where c.pool = 'damaged'), 0) as 'damaged_\1',
        sum(columns('missing_cost_quantity$')) as '\0'
    from changes as c
    left join intermediate.current_variant as v
        on
            c.account = v.account
            and c.variant_id = v.variant_id
    group by c.account, v.category_path, c.date

),

days as (

    select
        c.account,
        c.category_path,
        cast(unnest(generate_series(min(c.date), max(r.last_date), interval 1 day)) as date) as date
    from changed_days as c
    cross join current_run as r
    group by c.account, c.category_path

),

running as (

    select
        d.account,
        d.category_path,
        d.date,
        coalesce(sum(columns('(quantity|value)$')) over up_to_day, 0) as '\0'
    from days as d
    left join changed_days as c
        on
            d.account = c.account
            and d.category_path is not distinct from c.category_path
            and d.date = c.date
    window up_to_day as (partition by d.account, d.category_path order by d.date)

)

select
    r.* rename (headline_value as stock_value, damaged_headline_value as damaged_value),
    cast(cast(r.damaged_headline_value as decimal(38, 12)) * s.nrv_factor as decimal(38, 18)) as damaged_value_nrv
from running as r
cross join marts.dim_valuation_setting as s
