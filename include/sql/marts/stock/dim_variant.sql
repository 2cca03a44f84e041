-- Variants with the catalogue as it was: a new version when the variant or its product's name or category changed.
-- Grain: one row per account, variant and version.
with

variant_versions as (

    select
        account,
        variant_id,
        product_id,
        product_name,
        category_id,
        size_id,
        variant_name,
        code,
        ext_code,
        ean,
        price_purchase,
        price_wholesale,
        price_retail,
        is_active,
        seen_from,
        seen_to
    from intermediate.variant_version

),

product_versions as (

    select
        account,
        product_id,
        product_name,
        category_id,
        -- the first version known reaches back without limit
        case when _version > min(_version) over whole_product then _valid_from end as seen_from,
        lead(_valid_from) over product_order as seen_to
    from staging.products_history
    window
        whole_product as (partition by account, product_id),
        product_order as (partition by account, product_id order by _version)

),

variants as (

    select
        account,
        variant_id,
        has_image,
        _deleted_at as deleted_at
    from staging.variants

),

inactive_variants as (

    select
        account,
        variant_id,
        has_image
    from staging.inactive_variants
    where _deleted_at is null

),

combined as (

    select
        v.account,
        v.variant_id,
        v.product_id,
        v.size_id,
        v.variant_name,
        v.code,
        v.ext_code,
        v.ean,
        v.price_purchase,
        v.price_wholesale,
        v.price_retail,
        v.is_active,
        coalesce(p.product_name, v.product_name) as product_name,
        coalesce(p.category_id, v.category_id) as category_id,
        greatest(v.seen_from, coalesce(p.seen_from, v.seen_from)) as seen_from
    from variant_versions as v
    left join product_versions as p
        on
            v.account = p.account
            and v.product_id = p.product_id
            -- a comparison of two sides; an "or" in a left join would be asked of every pair of rows
            and coalesce(p.seen_from, timestamp '-infinity') < coalesce(v.seen_to, timestamp 'infinity')
            and coalesce(p.seen_to, timestamp 'infinity') > v.seen_from

),

compared as (

    select
        *,
        hash(
            product_id,
            size_id,
            variant_name,
            code,
            ext_code,
            ean,
            price_purchase,
            price_wholesale,
            price_retail,
            product_name,
            category_id,
            is_active
        ) as content
    from combined

),

-- a variant that was gone for a while and came back the same is one version
changes as (

    select *
    from compared
    qualify content is distinct from lag(content) over (partition by account, variant_id order by seen_from)

),

numbered as (

    select
        *,
        row_number() over numbering as version_no,
        lead(seen_from) over numbering as next_from
    from changes
    window numbering as (partition by account, variant_id order by seen_from)

)

select
    n.account,
    n.account || ':' || cast(n.variant_id as varchar) || ':' || cast(n.version_no as varchar) as variant_key,
    n.variant_id,
    n.version_no,
    n.product_id,
    n.code,
    n.ext_code,
    n.ean,
    n.product_name,
    n.variant_name,
    n.category_id,
    c.category_path,
    n.size_id,
    n.price_purchase,
    n.price_wholesale,
    n.price_retail,
    n.is_active,
    case when n.version_no > 1 then n.seen_from end as valid_from,
    n.next_from as valid_to,
    n.next_from is null as is_current,
    -- one that is switched off is still in the catalogue
    case when n.next_from is null and i.variant_id is null then v.deleted_at end as deleted_at,
    coalesce(v.has_image, i.has_image) as has_image
from numbered as n
left join intermediate.category_path as c
    on
        n.account = c.account
        and n.category_id = c.category_id
left join variants as v
    on
        n.account = v.account
        and n.variant_id = v.variant_id
left join inactive_variants as i
    on
        n.account = i.account
        and n.variant_id = i.variant_id
