-- stock_value_daily by category: sums of it are its figures, for charts that are filtered by category.
-- Grain: one row per account, category and local day from the category's first movement to the day of the run.
with

balances as (

    select
        account,
        variant_id,
        pool,
        valid_from,
        quantity,
        fifo_landed_value,
        fifo_bare_value,
        average_landed_value,
        average_bare_value
    from marts.fct_stock_balance

),

variants as (

    select
        account,
        variant_id,
        category_path
    from marts.dim_variant
    where is_current

),

settings as (

    select
        headline_method || '_' || headline_basis as headline,
        nrv_factor
    from marts.dim_valuation_setting

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
        valid_from as date,
        quantity - coalesce(lag(quantity) over earlier, 0) as quantity,
        fifo_landed_value - coalesce(lag(fifo_landed_value) over earlier, 0) as fifo_landed_value,
        fifo_bare_value - coalesce(lag(fifo_bare_value) over earlier, 0) as fifo_bare_value,
        average_landed_value - coalesce(lag(average_landed_value) over earlier, 0) as average_landed_value,
        average_bare_value - coalesce(lag(average_bare_value) over earlier, 0) as average_bare_value
    from balances
    window earlier as (partition by account, variant_id, pool order by valid_from)

),

changed_days as (

    select
        c.account,
        v.category_path,
        c.pool,
        c.date,
        sum(c.quantity) as quantity,
        sum(c.fifo_landed_value) as fifo_landed_value,
        sum(c.fifo_bare_value) as fifo_bare_value,
        sum(c.average_landed_value) as average_landed_value,
        sum(c.average_bare_value) as average_bare_value
    from changes as c
    left join variants as v
        on
            c.account = v.account
            and c.variant_id = v.variant_id
    group by c.account, v.category_path, c.pool, c.date

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
        coalesce(sum(c.quantity) filter (where c.pool = 'sellable') over up_to_day, 0) as quantity,
        coalesce(sum(c.fifo_landed_value) filter (where c.pool = 'sellable') over up_to_day, 0) as fifo_landed_value,
        coalesce(sum(c.fifo_bare_value) filter (where c.pool = 'sellable') over up_to_day, 0) as fifo_bare_value,
        coalesce(sum(c.average_landed_value) filter (where c.pool = 'sellable') over up_to_day, 0) as average_landed_value,
        coalesce(sum(c.average_bare_value) filter (where c.pool = 'sellable') over up_to_day, 0) as average_bare_value,
        coalesce(
            sum(
                case s.headline
                    when 'fifo_landed' then c.fifo_landed_value
                    when 'fifo_bare' then c.fifo_bare_value
                    when 'average_landed' then c.average_landed_value
                    else c.average_bare_value
                end
            ) filter (where c.pool = 'damaged') over up_to_day, 0
        ) as damaged_value,
        s.headline,
        s.nrv_factor
    from days as d
    cross join settings as s
    left join changed_days as c
        on
            d.account = c.account
            and d.category_path is not distinct from c.category_path
            and d.date = c.date
    window up_to_day as (partition by d.account, d.category_path order by d.date)
    -- a day may have a row of each pool; both say what holds at its end
    qualify row_number() over (partition by d.account, d.category_path, d.date order by c.pool) = 1

)

select
    account,
    category_path,
    date,
    cast(quantity as bigint) as quantity,
    cast(
        case headline
            when 'fifo_landed' then fifo_landed_value
            when 'fifo_bare' then fifo_bare_value
            when 'average_landed' then average_landed_value
            else average_bare_value
        end as decimal(38, 12)
    ) as stock_value,
    cast(damaged_value as decimal(38, 12)) as damaged_value,
    cast(cast(damaged_value as decimal(38, 12)) * nrv_factor as decimal(38, 18)) as damaged_value_nrv,
    cast(fifo_landed_value as decimal(38, 12)) as fifo_landed_value,
    cast(fifo_bare_value as decimal(38, 12)) as fifo_bare_value,
    cast(average_landed_value as decimal(38, 12)) as average_landed_value,
    cast(average_bare_value as decimal(38, 12)) as average_bare_value
from running
