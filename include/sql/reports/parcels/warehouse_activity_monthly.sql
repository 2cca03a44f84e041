-- What the warehouse did in a month, as far as it can be counted: the base of its bill.
-- Grain: one row per account, month, activity and size.
with

moves as (

    select
        account,
        cast(date_trunc('month', moved_at) as date) as month,
        kind,
        order_id,
        receiving_id,
        transformation_id,
        variant_id
    from marts.fct_stock_movement
    where kind in ('dispatch', 'return', 'receiving', 'transformation')

),

parcels as (

    select
        account,
        month,
        parcels
    from reports.parcels_monthly
    where system = 'fulfillment_cz'

),

units as (

    select
        account,
        receiving_id,
        case kind when 'package' then 'packages' else 'delivery_units' end as activity,
        case kind when 'package' then 'all' else coalesce(size_id, 'unknown') end as size_class
    from staging.receiving_delivery_units
    where _deleted_at is null

),

-- a document belongs to the month of its first movement
documents as (

    select
        account,
        min(month) as month,
        kind,
        coalesce(order_id, cast(receiving_id as varchar), cast(transformation_id as varchar)) as document_id,
        count(distinct variant_id) as variants
    from moves
    where order_id is not null or receiving_id is not null or transformation_id is not null
    group by all

),

documents_monthly as (

    select
        account,
        month,
        unnest(
            case kind
                when 'dispatch' then ['orders', 'order_lines']
                when 'receiving' then ['receivings', 'receiving_lines']
                when 'return' then ['returns', 'return_lines']
                else ['transformations', 'transformation_lines']
            end
        ) as activity,
        unnest([count(*), sum(variants)]) as quantity
    from documents
    group by account, month, kind

),

parcels_by_month as (

    select
        account,
        month,
        'parcels' as activity,
        sum(parcels) as quantity
    from parcels
    group by account, month

),

units_monthly as (

    select
        u.account,
        d.month,
        u.activity,
        u.size_class,
        count(*) as quantity
    from units as u
    inner join documents as d
        on
            u.account = d.account
            and cast(u.receiving_id as varchar) = d.document_id
            and d.kind = 'receiving'
    group by u.account, d.month, u.activity, u.size_class

),

activities as (

    select
        *,
        'all' as size_class
    from documents_monthly
    union all by name
    select
        *,
        'all' as size_class
    from parcels_by_month
    union all by name
    select *
    from units_monthly
    union all by name
    select *
    from intermediate.size_activity

)

select
    account,
    month,
    activity,
    size_class,
    case
        when activity = 'storage_days' then 'pieces x days'
        when starts_with(activity, 'pieces') then 'pieces'
        when ends_with(activity, '_lines') then 'lines'
        else activity
    end as unit,
    cast(quantity as bigint) as quantity
from activities
where quantity > 0
