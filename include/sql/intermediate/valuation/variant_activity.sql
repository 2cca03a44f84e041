-- When variants were switched off and on; those that never were off have no row.
-- Grain: one row per account, variant and change.
with

off_versions as (

    select
        account,
        variant_id,
        _version = 1 as is_first,
        _valid_from,
        _valid_to,
        _in_first_load,
        lead(_valid_from) over (partition by account, variant_id order by _version) as next_from
    from staging.inactive_variants_history

),

listed as (

    select
        account,
        variant_id
    from staging.variants
    where _deleted_at is null

),

off_now as (

    select
        account,
        variant_id
    from staging.inactive_variants
    where _deleted_at is null

),

-- a source that answers with the whole catalogue ignored the question: nobody knows what is off
unasked as (

    select l.account
    from listed as l
    left join off_now as o
        on
            l.account = o.account
            and l.variant_id = o.variant_id
    group by l.account
    having count(*) = count(o.variant_id) and count(*) > 1

),

changes as (

    select
        account,
        variant_id,
        true as is_active,
        cast(null as timestamp) as seen_from
    from off_versions
    where is_first and not _in_first_load
    union all
    select
        account,
        variant_id,
        false as is_active,
        case when not (is_first and _in_first_load) then _valid_from end as seen_from
    from off_versions
    union all
    select
        account,
        variant_id,
        true as is_active,
        _valid_to as seen_from
    from off_versions
    where _valid_to is distinct from next_from and _valid_to is not null

),

-- other content of one that stayed off is no change
turns as (

    select *
    from changes
    qualify
        is_active is distinct from lag(is_active) over (
            partition by account, variant_id order by seen_from nulls first
        )

)

select
    t.account,
    t.variant_id,
    case when u.account is null then t.is_active end as is_active,
    t.seen_from,
    lead(t.seen_from) over (partition by t.account, t.variant_id order by t.seen_from nulls first) as seen_to
from turns as t
left join unasked as u
    on t.account = u.account
