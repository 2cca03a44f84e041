-- Parcels, by the system that names them; one order's parcels in the warehouse and in a channel are the same parcels.
-- Grain: one row per system, account, order and parcel.
with

packages as (

    select
        account,
        order_id,
        package_id,
        parcel_no
    from staging.order_parcels
    where _deleted_at is null

),

orders as (

    select
        account,
        order_id,
        tracking_number
    from marts.fct_order

),

shipped as (

    select
        system,
        account,
        order_id,
        shipped_date,
        delivery_id,
        carrier,
        has_own_label
    from intermediate.shipped_order

),

flickrocket_numbers as (

    select
        account,
        fulfillment_id as order_id,
        parcel_no,
        tracking_number
    from staging.flickrocket_tracking_numbers
    where _deleted_at is null

),

shopline_fulfillments as (

    select
        account,
        fulfillment_id,
        coalesce(order_id, fulfillment_id) as order_id,
        created_at_utc
    from marts.fct_shopline_fulfillment
    where status is distinct from 'cancelled'

),

shopline_numbers as (

    select
        account,
        fulfillment_id,
        parcel_no,
        tracking_number
    from staging.shopline_tracking_numbers
    where _deleted_at is null

),

-- few orders
orders_of_several as (

    select
        account,
        order_id
    from packages
    group by account, order_id
    having count(*) > 1

),

package_items as (

    select
        account,
        order_id,
        package_id,
        count(*) as lines,
        cast(sum(quantity) as bigint) as pieces
    from staging.order_packages
    where _deleted_at is null
    group by account, order_id, package_id

),

parcels as (

    select
        'fulfillment_cz' as system,
        p.account,
        p.order_id,
        p.parcel_no,
        p.package_id,
        -- the order names one number: of several parcels nobody knows whose it is
        case when s.order_id is null then o.tracking_number end as tracking_number,
        i.lines,
        i.pieces,
        'package' as evidence
    from packages as p
    inner join orders as o
        on
            p.account = o.account
            and p.order_id = o.order_id
    left join orders_of_several as s
        on
            p.account = s.account
            and p.order_id = s.order_id
    left join package_items as i
        on
            p.account = i.account
            and p.order_id = i.order_id
            and p.package_id = i.package_id
    union all by name
    select
        'flickrocket' as system,
        *,
        'tracking_number' as evidence
    from flickrocket_numbers
    union all by name
    -- a fulfillment without a number is one parcel all the same
    select
        'shopline' as system,
        f.account,
        f.order_id,
        row_number() over (
            partition by f.account, f.order_id
            order by f.created_at_utc, f.fulfillment_id, n.parcel_no
        ) as parcel_no,
        f.fulfillment_id as package_id,
        n.tracking_number,
        case when n.tracking_number is null then 'fulfillment' else 'tracking_number' end as evidence
    from shopline_fulfillments as f
    left join shopline_numbers as n
        on
            f.account = n.account
            and f.fulfillment_id = n.fulfillment_id

)

select
    p.system,
    p.account,
    p.order_id,
    p.parcel_no,
    p.package_id,
    p.tracking_number,
    s.shipped_date,
    s.delivery_id,
    s.carrier,
    s.has_own_label,
    p.lines,
    p.pieces,
    p.evidence
from parcels as p
left join shipped as s
    on
        p.system = s.system
        and p.account = s.account
        and p.order_id = s.order_id
