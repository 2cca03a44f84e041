-- Which variants had a code, and when: a code that always meant one variant did so at any time.
-- Grain: one row per account, code and variant, and per time the variant had it.
with

periods as (

    select
        account,
        code,
        variant_id,
        surely_from,
        surely_to,
        perhaps_after,
        perhaps_before,
        is_gone
    from intermediate.variant_code_period
    union all
    select
        account,
        code,
        variant_id,
        timestamp '-infinity' as surely_from,
        timestamp 'infinity' as surely_to,
        timestamp '-infinity' as perhaps_after,
        timestamp 'infinity' as perhaps_before,
        false as is_gone
    from intermediate.variant_code

)

select
    *,
    lower(staging.bare_of(code)) as spelling
from periods
