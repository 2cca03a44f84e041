-- Variants with the catalogue as it was: a new version when the variant or its product's name or category changed.
-- Grain: one row per account, variant and version.
with recursive

variant_versions as (

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
        _version as source_version,
        _valid_from as seen_from,
        lead(_valid_from) over variant_order as seen_to
    from staging.variants_history
    window variant_order as (partition by account, variant_id order by _version)

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

categories as (

    select
        account,
        category_id,
        parent_id,
        category_name
    from staging.categories

),

deleted_variants as (

    select
        account,
        variant_id,
        _deleted_at as deleted_at
    from staging.variants

),

-- from the top down; categories in a ring hang from no top and get no path
paths as (

    select
        c.account,
        c.category_id,
        c.category_name as category_path
    from categories as c
    left join categories as p
        on
            c.account = p.account
            and c.parent_id = p.category_id
    where p.category_id is null
    union all
    select
        c.account,
        c.category_id,
        p.category_path || ' > ' || c.category_name
    from categories as c
    inner join paths as p
        on
            c.account = p.account
            and c.parent_id = p.category_id

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
        p.product_name,
        p.category_id,
        greatest(v.seen_from, coalesce(p.seen_from, v.seen_from)) as seen_from
    from variant_versions as v
    left join product_versions as p
        on
            v.account = p.account
            and v.product_id = p.product_id
            and (p.seen_from is null or v.seen_to is null or p.seen_from < v.seen_to)
            and (p.seen_to is null or p.seen_to > v.seen_from)

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
            category_id
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
    case when n.version_no > 1 then n.seen_from end as valid_from,
    n.next_from as valid_to,
    n.next_from is null as is_current,
    case when n.next_from is null then d.deleted_at end as deleted_at
from numbered as n
left join paths as c
    on
        n.account = c.account
        and n.category_id = c.category_id
left join deleted_variants as d
    on
        n.account = d.account
        and n.variant_id = d.variant_id
