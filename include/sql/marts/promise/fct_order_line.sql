-- What was ordered, with the variant each line means.
-- Grain: one row per account, order and line.
select
    account,
    order_id,
    line_no,
    variant_id,
    variant_evidence,
    unknown_reason,
    code,
    ext_code,
    product_name,
    quantity,
    quantity_now
from intermediate.order_line
