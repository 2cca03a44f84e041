-- Warehouse codes of variants as nights saw them, of variants that were only ever seen switched off too.
-- Grain: one row per account, variant and version.
with

listed as (

    select
        account,
        variant_id,
        code,
        _version,
        _valid_from,
        _last_seen_at,
        _valid_to,
        _in_first_load
    from staging.variants_history

),

-- a code that a variant of the catalogue ever had is that one's
hidden as (

    select
        i.account,
        i.variant_id,
        i.code,
        i._version,
        i._valid_from,
        i._last_seen_at,
        i._valid_to,
        i._in_first_load
    from staging.inactive_variants_history as i
    anti join listed as l
        on
            i.account = l.account
            and i.variant_id = l.variant_id
    anti join listed as c
        on
            i.account = c.account
            and i.code = c.code

)

select * from listed
union all by name
select * from hidden
