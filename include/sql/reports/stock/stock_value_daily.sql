-- Stock and its value at the end of every local day, also of days on which nothing moved.
-- Grain: one row per account and local day from the first movement to the day of the run.
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
        average_bare_value,
        missing_cost_quantity,
        average_missing_cost_quantity
    from marts.fct_stock_balance

),

settings as (

    select
        headline_method,
        headline_basis,
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
        pool,
        valid_from as date,
        quantity - coalesce(lag(quantity) over earlier, 0) as quantity,
        fifo_landed_value - coalesce(lag(fifo_landed_value) over earlier, 0) as fifo_landed_value,
        fifo_bare_value - coalesce(lag(fifo_bare_value) over earlier, 0) as fifo_bare_value,
        average_landed_value - coalesce(lag(average_landed_value) over earlier, 0) as average_landed_value,
        average_bare_value - coalesce(lag(average_bare_value) over earlier, 0) as average_bare_value,
        missing_cost_quantity - coalesce(lag(missing_cost_quantity) over earlier, 0) as missing_cost_quantity,
        average_missing_cost_quantity - coalesce(lag(average_missing_cost_quantity) over earlier, 0) as average_missing_cost_quantity
    from balances
    window earlier as (partition by account, variant_id, pool order by valid_from)

),

changed_days as (

    select
        account,
        date,
        coalesce(sum(quantity) filter (where pool = 'sellable'), 0) as quantity,
        coalesce(sum(quantity) filter (where pool = 'damaged'), 0) as damaged_quantity,
        coalesce(sum(fifo_landed_value) filter (where pool = 'sellable'), 0) as fifo_landed_value,
        coalesce(sum(fifo_bare_value) filter (where pool = 'sellable'), 0) as fifo_bare_value,
        coalesce(sum(average_landed_value) filter (where pool = 'sellable'), 0) as average_landed_value,
        coalesce(sum(average_bare_value) filter (where pool = 'sellable'), 0) as average_bare_value,
        coalesce(sum(fifo_landed_value) filter (where pool = 'damaged'), 0) as damaged_fifo_landed_value,
        coalesce(sum(fifo_bare_value) filter (where pool = 'damaged'), 0) as damaged_fifo_bare_value,
        coalesce(sum(average_landed_value) filter (where pool = 'damaged'), 0) as damaged_average_landed_value,
        coalesce(sum(average_bare_value) filter (where pool = 'damaged'), 0) as damaged_average_bare_value,
        sum(missing_cost_quantity) as missing_cost_quantity,
        sum(average_missing_cost_quantity) as average_missing_cost_quantity
    from changes
    group by account, date

),

spans as (

    select
        c.account,
        min(c.date) as first_date,
        max(r.last_date) as last_date
    from changed_days as c
    cross join current_run as r
    group by c.account

),

days as (

    select
        account,
        cast(unnest(generate_series(first_date, last_date, interval 1 day)) as date) as date
    from spans

),

running as (

    select
        d.account,
        d.date,
        cast(coalesce(sum(c.quantity) over up_to_day, 0) as bigint) as quantity,
        cast(coalesce(sum(c.damaged_quantity) over up_to_day, 0) as bigint) as damaged_quantity,
        cast(coalesce(sum(c.fifo_landed_value) over up_to_day, 0) as decimal(38, 12)) as fifo_landed_value,
        cast(coalesce(sum(c.fifo_bare_value) over up_to_day, 0) as decimal(38, 12)) as fifo_bare_value,
        cast(coalesce(sum(c.average_landed_value) over up_to_day, 0) as decimal(38, 12)) as average_landed_value,
        cast(coalesce(sum(c.average_bare_value) over up_to_day, 0) as decimal(38, 12)) as average_bare_value,
        cast(coalesce(sum(c.damaged_fifo_landed_value) over up_to_day, 0) as decimal(38, 12)) as damaged_fifo_landed_value,
        cast(coalesce(sum(c.damaged_fifo_bare_value) over up_to_day, 0) as decimal(38, 12)) as damaged_fifo_bare_value,
        cast(coalesce(sum(c.damaged_average_landed_value) over up_to_day, 0) as decimal(38, 12)) as damaged_average_landed_value,
        cast(coalesce(sum(c.damaged_average_bare_value) over up_to_day, 0) as decimal(38, 12)) as damaged_average_bare_value,
        cast(coalesce(sum(c.missing_cost_quantity) over up_to_day, 0) as bigint) as missing_cost_quantity,
        cast(coalesce(sum(c.average_missing_cost_quantity) over up_to_day, 0) as bigint) as average_missing_cost_quantity
    from days as d
    left join changed_days as c
        on
            d.account = c.account
            and d.date = c.date
    window up_to_day as (partition by d.account order by d.date)

),

headlines as (

    select
        b.*,
        case s.headline_method || '_' || s.headline_basis
            when 'fifo_landed' then b.fifo_landed_value
            when 'fifo_bare' then b.fifo_bare_value
            when 'average_landed' then b.average_landed_value
            else b.average_bare_value
        end as stock_value,
        case s.headline_method || '_' || s.headline_basis
            when 'fifo_landed' then b.damaged_fifo_landed_value
            when 'fifo_bare' then b.damaged_fifo_bare_value
            when 'average_landed' then b.damaged_average_landed_value
            else b.damaged_average_bare_value
        end as damaged_value,
        case s.headline_method
            when 'fifo' then b.missing_cost_quantity
            else b.average_missing_cost_quantity
        end as headline_missing_cost_quantity,
        s.nrv_factor
    from running as b
    cross join settings as s

)

select
    account,
    date,
    quantity,
    damaged_quantity,
    stock_value,
    damaged_value,
    cast(damaged_value * nrv_factor as decimal(38, 18)) as damaged_value_nrv,
    fifo_landed_value,
    fifo_bare_value,
    average_landed_value,
    average_bare_value,
    damaged_fifo_landed_value,
    damaged_fifo_bare_value,
    damaged_average_landed_value,
    damaged_average_bare_value,
    missing_cost_quantity,
    average_missing_cost_quantity,
    headline_missing_cost_quantity
from headlines
