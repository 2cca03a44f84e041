-- Pieces moved and stored, by month and size of the variant: what a warehouse bills by size.
-- Grain: one row per account, month, activity and size.
with

current_run as (

    select cast(as_of as date) as today
    from intermediate.run_now

),

sizes as (

    select
        account,
        variant_id,
        size_id
    from staging.variants
    where size_id is not null

),

movements as (

    select
        account,
        variant_id,
        cast(date_trunc('month', moved_at) as date) as month,
        case kind
            when 'dispatch' then 'pieces_picked'
            when 'receiving' then 'pieces_received'
            when 'return' then 'pieces_returned'
            when 'transformation' then 'pieces_transformed'
            when 'correction' then 'pieces_corrected'
        end as activity,
        sum(quantity + damaged_quantity) as pieces
    from marts.fct_stock_movement
    where kind <> 'opening'
    group by all

),

balances as (

    select
        b.account,
        b.variant_id,
        b.quantity,
        b.valid_from,
        least(coalesce(b.valid_to, r.today + 1), r.today + 1) as valid_to
    from marts.fct_stock_balance as b
    cross join current_run as r
    where
        b.quantity > 0
        and b.valid_from <= r.today

),

months as (

    select
        *,
        unnest(
            generate_series(date_trunc('month', valid_from), date_trunc('month', valid_to - 1), interval 1 month)
        ) as month_start
    from balances

),

-- each piece that lies there at the end of a day
storage as (

    select
        account,
        variant_id,
        cast(month_start as date) as month,
        'storage_days' as activity,
        sum(
            quantity * date_diff(
                'day',
                greatest(valid_from, cast(month_start as date)),
                least(valid_to, cast(month_start + interval 1 month as date))
            )
        ) as pieces
    from months
    group by account, variant_id, month_start

),

activities as (

    select *
    from movements
    union all by name
    select *
    from storage

)

select
    a.account,
    a.month,
    a.activity,
    coalesce(s.size_id, 'unknown') as size_class,
    cast(sum(a.pieces) as bigint) as quantity
from activities as a
left join sizes as s
    on
        a.account = s.account
        and a.variant_id = s.variant_id
group by a.account, a.month, a.activity, coalesce(s.size_id, 'unknown')
