-- Whether ids of movements ascend in time, and whether past movements stay as they are.
-- Grain: one row per account and assumption.
with

movements as (

    select
        account,
        movement_id,
        moved_at,
        kind
    from marts.fct_stock_movement

),

current_run as (

    select cast(as_of as date) as today
    from meta.current_run

),

rewritten as (

    select
        account,
        count(distinct movement_id) as changed
    from marts.fct_stock_movement_version
    group by account

),

followed as (

    select
        account,
        moved_at < max(moved_at) over (
            partition by account
            order by movement_id
            rows between unbounded preceding and 1 preceding
        ) as is_behind
    from movements
    cross join current_run as r
    where
        kind <> 'opening'
        and moved_at >= r.today - 365

),

counted as (

    select
        account,
        count(*) as movements
    from movements
    group by account

)

select
    account,
    'order of ids' as assumption,
    'ids ascend in time' as reading,
    count(*) as compared,
    count(*) filter (where is_behind is not true) as agreeing
from followed
group by account
union all
select
    c.account,
    'past movements' as assumption,
    'never rewritten or deleted' as reading,
    c.movements as compared,
    c.movements - coalesce(r.changed, 0) as agreeing
from counted as c
left join rewritten as r on c.account = r.account
