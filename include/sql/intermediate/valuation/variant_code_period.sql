-- When variants had a warehouse code that did not always mean one variant.
-- Grain: one row per account, variant and version.
with

versions as (

    select
        account,
        variant_id,
        code,
        _valid_from,
        _last_seen_at,
        _valid_to,
        _in_first_load,
        _version = min(_version) over whole_variant as is_first,
        _version = max(_version) over whole_variant as is_last,
        lag(_last_seen_at) over in_order as previous_seen_at,
        lead(_valid_from) over in_order as next_from
    from intermediate.code_version
    window
        whole_variant as (partition by account, variant_id),
        in_order as (partition by account, variant_id order by _version)

),

-- a variant without a history has its first version
all_versions as (

    select
        account,
        variant_id,
        code,
        _valid_from,
        _last_seen_at,
        _valid_to,
        _in_first_load,
        is_first,
        is_last,
        previous_seen_at,
        next_from
    from versions
    union all by name
    select
        v.account,
        v.variant_id,
        v.code,
        v._last_seen_at,
        v._deleted_at as _valid_to,
        true as _in_first_load,
        true as is_first,
        true as is_last
    from staging.variants as v
    left join versions as h
        on
            v.account = h.account
            and v.variant_id = h.variant_id
    where h.variant_id is null

)

select
    v.account,
    v.variant_id,
    v.code,
    -- what the first load saw was so before it; a variant that came later may have come at any time before it was seen
    case
        when v.is_first and v._in_first_load then timestamp '-infinity'
        else v._valid_from
    end as surely_from,
    case
        when v.is_last and v._valid_to is null then timestamp 'infinity'
        else coalesce(v._last_seen_at, v._valid_to)
    end as surely_to,
    case when v.is_first then timestamp '-infinity' else v.previous_seen_at end as perhaps_after,
    case when v.is_last then timestamp 'infinity' else v.next_from end as perhaps_before,
    v.is_last and v._valid_to is not null as is_gone
from all_versions as v
left join intermediate.variant_code as c
    on
        v.account = c.account
        and v.code = c.code
where
    v.code is not null
    and c.code is null
