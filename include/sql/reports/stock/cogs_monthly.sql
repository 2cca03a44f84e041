-- Cost of goods that left for orders, by month and variant.
-- Grain: one row per account, month and variant with a dispatch, a return, a settlement or a write-off.
with

pools as (

    select *
    from intermediate.cogs_month

),

variants as (

    select *
    from intermediate.current_variant

),

months as (

    select
        account,
        month,
        variant_id,
        cast(sum(columns('_quantity$')) as bigint) as '\0',
        sum(columns('(_landed_|_bare_)\w+$|_cost$|^settlement$|^cogs')) as '\0'
    from pools
    group by account, month, variant_id

)

select
    m.*,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path
from months as m
left join variants as v
    on
        m.account = v.account
        and m.variant_id = v.variant_id
