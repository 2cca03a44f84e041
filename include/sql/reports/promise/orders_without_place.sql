-- Orders that no pick-up place is known for: the warehouse takes them and does not hand them on to the carrier.
-- Grain: one row per account and order.
with

orders as (

    select
        account,
        order_id,
        place_id,
        place_ext_id
    from staging.orders
    where _deleted_at is null

),

facts as (

    select
        account,
        order_id,
        number,
        remote_number,
        created_at,
        status,
        stage,
        is_final,
        delivery_id
    from marts.fct_order
    where status <> 'cancelled'

),

methods as (

    select
        account,
        delivery_id,
        name,
        needs_place
    from marts.dim_delivery_method

),

places as (

    select
        account,
        delivery_id,
        place_id,
        deleted_at
    from marts.dim_delivery_place

),

ext_places as (

    select
        account,
        delivery_id,
        lower(staging.bare_of(ext_id)) as ext_id,
        case when bool_and(deleted_at is not null) then max(deleted_at) end as deleted_at
    from marts.dim_delivery_place
    where ext_id is not null
    group by account, delivery_id, lower(staging.bare_of(ext_id))

),

-- a source that shows no place of any order cannot be asked which has none
telling_accounts as (

    select distinct account
    from orders
    where place_id is not null or place_ext_id is not null

),

judged as (

    select
        f.*,
        m.name as delivery_name,
        o.place_id,
        o.place_ext_id,
        case
            when o.place_id is not null or o.place_ext_id is not null
                then case
                    when p.place_id is null and e.ext_id is null then 'unknown_place'
                    when coalesce(p.deleted_at, e.deleted_at) is not null and not f.is_final then 'closed_place'
                end
            when m.needs_place and t.account is not null then 'no_place'
        end as place_state
    from facts as f
    inner join orders as o
        on
            f.account = o.account
            and f.order_id = o.order_id
    left join methods as m
        on
            f.account = m.account
            and f.delivery_id = m.delivery_id
    left join places as p
        on
            f.account = p.account
            and f.delivery_id = p.delivery_id
            and o.place_id = p.place_id
    left join ext_places as e
        on
            f.account = e.account
            and f.delivery_id = e.delivery_id
            and lower(staging.bare_of(o.place_ext_id)) = e.ext_id
    left join telling_accounts as t
        on f.account = t.account

)

select
    account,
    order_id,
    number,
    remote_number,
    created_at,
    status,
    stage,
    is_final,
    delivery_id,
    delivery_name,
    place_id,
    place_ext_id,
    place_state
from judged
where place_state is not null
