-- Codes, names and category of each variant as they were at the end of a local day.
-- Grain: one row per account and variant that was known by then.
select
    account,
    variant_id,
    code,
    ext_code,
    product_name,
    variant_name,
    category_path
from marts.dim_variant
where
    (valid_from is null or cast(valid_from as date) <= day)
    and (valid_to is null or cast(valid_to as date) > day)
