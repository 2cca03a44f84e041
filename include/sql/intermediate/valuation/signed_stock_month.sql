-- What moved stock in closed months as it was signed, for the monthly statement.
-- Grain: one row per account, closed month, variant and pool that was signed.
with

closes as (

    select close_id
    from intermediate.closed_month

)

select
    account,
    month,
    variant_id,
    pool,
    code,
    ext_code,
    product_name,
    variant_name,
    category_path,
    columns('^(opening|receipts|returns|transformations_in|issues|transformations_out|corrections|closing)_quantity$'),
    columns('_(opening|receipts|returns|transformations_in|issues|transformations_out|settlements|corrections|closing)$'),
    columns('_value$')
from marts.fct_period_close_line
semi join closes using (close_id)
