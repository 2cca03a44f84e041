-- Months that are closed by now: the close in force of each.
-- Grain: one row per account and closed month.
with

closes as (

    select
        close_id,
        account,
        month,
        sequence,
        as_of
    from marts.fct_period_close
    where is_in_force

),

current_run as (

    select as_of
    from meta.current_run

)

select
    c.close_id,
    c.account,
    c.month,
    c.sequence,
    cast(c.as_of as date) - 1 as last_day,
    cast(c.month + interval 1 month as date) as next_month
from closes as c
cross join current_run as r
where c.as_of <= r.as_of
