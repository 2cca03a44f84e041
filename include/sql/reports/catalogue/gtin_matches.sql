-- Which of FlickRocket's articles are which of the catalogue's, by GTIN and EAN; and what only one side has.
-- Grain: one row per account, side and number or article without one.
with

lines as (

    select
        account,
        product_number,
        title,
        gtin,
        quantity
    from marts.fct_flickrocket_fulfillment_line

),

variants as (

    select
        account,
        variant_id,
        code,
        product_name,
        ean
    from marts.dim_variant
    where
        is_current
        and deleted_at is null

),

-- a GTIN of 14 digits is the EAN of 13 with a zero before it
articles as (

    select
        account,
        ltrim(regexp_replace(gtin, '[^0-9]', '', 'g'), '0') as number,
        coalesce(nullif(number, ''), 'article ' || coalesce(cast(product_number as varchar), title, 'without a name'))
            as key,
        max(title) as title,
        cast(sum(quantity) as bigint) as ordered_pieces
    from lines
    group by all

),

codes as (

    select
        account,
        ltrim(regexp_replace(ean, '[^0-9]', '', 'g'), '0') as number,
        count(*) as variants,
        max(variant_id) as variant_id,
        max(code) as code,
        max(product_name) as product_name
    from variants
    where nullif(ltrim(regexp_replace(ean, '[^0-9]', '', 'g'), '0'), '') is not null
    group by account, number

)

select
    coalesce(a.account, c.account) as account,
    case when a.account is null then 'catalogue' else 'flickrocket' end as side,
    coalesce(a.key, c.number) as number,
    case
        when a.account is null then 'not_in_flickrocket'
        when nullif(a.number, '') is null then 'no_gtin'
        when c.account is null then 'not_in_catalogue'
        when c.variants > 1 then 'several_variants'
        else 'matched'
    end as match_state,
    a.title,
    a.ordered_pieces,
    case when c.variants = 1 then c.variant_id end as variant_id,
    case when c.variants = 1 then c.code end as code,
    case when c.variants = 1 then c.product_name end as product_name,
    coalesce(c.variants, 0) as variants
from articles as a
full join codes as c
    on
        a.account = c.account
        and a.number = c.number
