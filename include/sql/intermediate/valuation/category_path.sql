-- The names of the categories above each, from the top down; those in a ring hang from no top and have no path.
-- Grain: one row per account and category.
with recursive

categories as (

    select
        account,
        category_id,
        parent_id,
        category_name
    from staging.categories

),

paths as (

    select
        c.account,
        c.category_id,
        c.category_name as category_path
    from categories as c
    left join categories as p
        on
            c.account = p.account
            and c.parent_id = p.category_id
    where p.category_id is null
    union all
    select
        c.account,
        c.category_id,
        p.category_path || ' > ' || c.category_name
    from categories as c
    inner join paths as p
        on
            c.account = p.account
            and c.parent_id = p.category_id

)

select
    account,
    category_id,
    category_path
from paths
