-- Warehouse codes that have always meant one variant.
-- Grain: one row per account and code.
with

versions as (

    select
        account,
        variant_id,
        code
    from intermediate.code_version
    union
    select
        account,
        variant_id,
        code
    from staging.variants

),

-- what such a variant was called depends on the day
renamed as (

    select
        account,
        variant_id
    from versions
    group by account, variant_id
    having count(*) > 1

)

select
    v.account,
    v.code,
    any_value(v.variant_id) as variant_id
from versions as v
left join renamed as r
    on
        v.account = r.account
        and v.variant_id = r.variant_id
where v.code is not null
group by v.account, v.code
having count(*) = 1 and bool_and(r.variant_id is null)
