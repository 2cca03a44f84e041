-- What SHOPLINE's fulfillment orders contain.
-- Grain: one row per account, fulfillment order and line.
with

lines as (

    select
        account,
        fulfillment_order_id,
        line_id,
        order_line_id,
        variant_id,
        quantity,
        fulfillable_quantity,
        origin_country_code,
        harmonized_system_code
    from staging.shopline_fulfillment_order_lines
    where _deleted_at is null

)

select
    account,
    fulfillment_order_id,
    line_id,
    order_line_id,
    variant_id,
    quantity,
    fulfillable_quantity,
    origin_country_code,
    harmonized_system_code
from lines
