-- What FlickRocket's physical orders contain.
-- Grain: one row per account, fulfillment and line.
with

lines as (

    select
        account,
        fulfillment_id,
        line_no,
        product_number,
        upper(product_id) as product_id,
        title,
        version,
        quantity,
        gtin,
        weight_grams
    from staging.flickrocket_fulfillment_lines
    where _deleted_at is null

)

select
    account,
    fulfillment_id,
    line_no,
    product_number,
    product_id,
    title,
    version,
    quantity,
    gtin,
    weight_grams
from lines
