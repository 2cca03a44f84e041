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
    l.account,
    l.fulfillment_id,
    l.line_no,
    l.product_number,
    l.product_id,
    l.title,
    l.version,
    l.quantity,
    l.gtin,
    l.weight_grams
from lines as l
inner join marts.fct_flickrocket_fulfillment as f
    on
        l.account = f.account
        and l.fulfillment_id = f.fulfillment_id
