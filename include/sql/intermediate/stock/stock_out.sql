-- Nights on which nothing of a variant was available, and since when without a break.
-- Grain: one row per account, variant and night on which it was out.
with

levels as (

    select
        account,
        variant_id,
        snapshot_date,
        available_quantity
    from marts.fct_stock_level

),

-- a night that read no stock breaks nothing
nights as (

    select
        account,
        snapshot_date,
        row_number() over (
            partition by account
            order by snapshot_date
        ) as night_no
    from (
        select distinct
            account,
            snapshot_date
        from levels
    )

),

out_nights as (

    select
        l.account,
        l.variant_id,
        l.snapshot_date,
        n.night_no - row_number() over (
            partition by l.account, l.variant_id
            order by l.snapshot_date
        ) as spell_no
    from levels as l
    inner join nights as n
        on
            l.account = n.account
            and l.snapshot_date = n.snapshot_date
    where l.available_quantity <= 0

)

select
    account,
    variant_id,
    snapshot_date,
    min(snapshot_date) over (partition by account, variant_id, spell_no) as out_since
from out_nights
