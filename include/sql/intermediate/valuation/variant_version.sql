-- What the catalogue said of each variant, and whether it was switched on.
-- Grain: one row per account, variant and time from which it was seen so.
with

listed as (

    select
        account,
        variant_id,
        product_id,
        size_id,
        variant_name,
        code,
        ext_code,
        ean,
        price_purchase,
        price_wholesale,
        price_retail,
        _valid_from as seen_from,
        lead(_valid_from) over (partition by account, variant_id order by _version) as seen_to
    from staging.variants_history

),

-- those that the catalogue never showed unasked
hidden as (

    select
        i.account,
        i.variant_id,
        i.product_id,
        i.product_name,
        i.category_id,
        i.size_id,
        i.variant_name,
        i.code,
        i.ext_code,
        i.ean,
        i.price_purchase,
        i.price_wholesale,
        i.price_retail,
        i._valid_from as seen_from,
        lead(i._valid_from) over (partition by i.account, i.variant_id order by i._version) as seen_to
    from staging.inactive_variants_history as i
    anti join listed as l
        on
            i.account = l.account
            and i.variant_id = l.variant_id

),

versions as (

    select * from listed
    union all by name
    select * from hidden

)

select
    v.account,
    v.variant_id,
    v.product_id,
    v.product_name,
    v.category_id,
    v.size_id,
    v.variant_name,
    v.code,
    v.ext_code,
    v.ean,
    v.price_purchase,
    v.price_wholesale,
    v.price_retail,
    case when a.variant_id is null then true else a.is_active end as is_active,
    greatest(v.seen_from, coalesce(a.seen_from, v.seen_from)) as seen_from,
    least(v.seen_to, a.seen_to) as seen_to
from versions as v
left join intermediate.variant_activity as a
    on
        v.account = a.account
        and v.variant_id = a.variant_id
        -- a comparison of two sides; an "or" in a left join would be asked of every pair of rows
        and coalesce(a.seen_from, timestamp '-infinity') < coalesce(v.seen_to, timestamp 'infinity')
        and coalesce(a.seen_to, timestamp 'infinity') > v.seen_from
