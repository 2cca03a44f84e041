-- What moved stock in a month, from opening to closing, by variant and pool: as it was signed, and then as it is known.
-- Grain: one row per account, month, variant and pool that had stock, moved or is corrected.
with

closes as (

    select
        close_id,
        account,
        month
    from intermediate.closed_month

),

open_months as (

    select
        m.*,
        v.code,
        v.ext_code,
        v.product_name,
        v.variant_name,
        v.category_path
    from intermediate.open_stock_month as m
    anti join closes as c
        on
            m.account = c.account
            and m.month = c.month
    left join intermediate.current_variant as v
        on
            m.account = v.account
            and m.variant_id = v.variant_id

)

select *
from open_months
union all by name
select *
from intermediate.signed_stock_month
