-- What each variant is called today.
-- Grain: one row per account and variant.
select
    account,
    variant_id,
    code,
    ext_code,
    product_name,
    variant_name,
    category_path
from marts.dim_variant
where is_current
