-- What moved stock in a month, from opening to closing, by variant and pool.
-- Grain: one row per account, month, variant and pool that had stock or moved.
with

months as (

    select *
    from intermediate.stock_movement_month

),

variants as (

    select *
    from intermediate.current_variant

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
