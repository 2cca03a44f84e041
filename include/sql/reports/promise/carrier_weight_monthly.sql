-- What FlickRocket's physical orders weigh, by month, carrier and shipping model.
-- Grain: one row per account, month of the order, shipping company and shipping model.
with

fulfillments as (

    select
        account,
        fulfillment_id,
        cast(date_trunc('month', created_at_utc) as date) as created_month,
        shipping_company_id,
        shipping_model,
        is_shipped
    from marts.fct_flickrocket_fulfillment
    where created_at_utc is not null

),

-- one below zero is no weight
lines as (

    select
        account,
        fulfillment_id,
        case when weight_grams >= 0 then weight_grams end as weight_grams,
        quantity
    from marts.fct_flickrocket_fulfillment_line

),

-- whether a weight is of a piece or of the line is not documented: both readings bound it
weights as (

    select
        account,
        fulfillment_id,
        count(*) filter (where weight_grams is null) as unweighed_lines,
        sum(weight_grams) as weight_grams_least,
        sum(
            case
                when weight_grams < 1000000000 and quantity < 1000000000
                    then cast(weight_grams * greatest(quantity, 1) as decimal(38, 12))
            end
        ) as weight_grams_most
    from lines
    group by account, fulfillment_id

)

select
    f.account,
    f.created_month,
    f.shipping_company_id,
    min(f.shipping_model) as shipping_model,
    count(*) as fulfillments,
    count(*) filter (where f.is_shipped) as shipped,
    cast(coalesce(sum(w.unweighed_lines), 0) as bigint) as unweighed_lines,
    cast(sum(w.weight_grams_least) as decimal(38, 12)) as weight_grams_least,
    cast(sum(w.weight_grams_most) as decimal(38, 12)) as weight_grams_most
from fulfillments as f
left join weights as w
    on
        f.account = w.account
        and f.fulfillment_id = w.fulfillment_id
group by f.account, f.created_month, f.shipping_company_id, lower(f.shipping_model)
