-- Orders that left and the parcels they were packed into.
-- Grain: one row per system, account, month, carrier and whose label it was.
with

orders as (

    select
        system,
        account,
        order_id,
        cast(date_trunc('month', shipped_date) as date) as month,
        coalesce(carrier, 'unknown') as carrier,
        coalesce(has_own_label, false) as has_own_label
    from intermediate.shipped_order
    where shipped_date is not null

),

parcels as (

    select
        system,
        account,
        order_id,
        count(*) as parcels,
        count(*) filter (where pieces is null) as parcels_without_items,
        sum(pieces) as pieces
    from marts.fct_parcel
    group by system, account, order_id

)

select
    o.system,
    o.account,
    o.month,
    o.carrier,
    o.has_own_label,
    count(*) as orders,
    count(*) filter (where p.order_id is null) as orders_without_parcels,
    count(*) filter (where p.parcels > 1) as orders_of_several,
    cast(coalesce(sum(p.parcels), 0) as bigint) as parcels,
    cast(coalesce(sum(p.parcels_without_items), 0) as bigint) as parcels_without_items,
    cast(sum(p.pieces) as bigint) as pieces,
    sum(p.parcels) / nullif(count(p.order_id), 0) as parcels_per_order
from orders as o
left join parcels as p
    on
        o.system = p.system
        and o.account = p.account
        and o.order_id = p.order_id
group by o.system, o.account, o.month, o.carrier, o.has_own_label
