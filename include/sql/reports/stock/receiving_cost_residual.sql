-- Extra cost on the head of a receiving beside the extra cost its movements brought into stock.
-- Grain: one row per account and receiving that has movements or is closed.
with

current_run as (

    select as_of
    from intermediate.run_now

),

receivings as (

    select
        account,
        receiving_id,
        is_closed,
        coalesce(extra_cost, 0) as extra_cost,
        planned_date,
        received_date
    from staging.receivings
    cross join current_run
    where
        _deleted_at is null
        and coalesce(received_date <= cast(as_of as date), true)

),

lines as (

    select
        account,
        receiving_id,
        sum(received_quantity) as received_quantity,
        sum(damaged_quantity) as damaged_quantity
    from marts.fct_receiving_line
    group by account, receiving_id

),

movements as (

    select
        account,
        receiving_id,
        sum(quantity) as moved_quantity,
        sum(damaged_quantity) as moved_damaged_quantity,
        -- beyond these sizes the product leaves 38 digits
        sum(
            case
                when abs(source_extra_cost) < 1000000000 and quantity + damaged_quantity < 1000000000
                    then cast(source_extra_cost * (quantity + damaged_quantity) as decimal(38, 12))
            end
        ) as moved_extra_cost
    from marts.fct_stock_movement
    where
        kind = 'receiving'
        and direction = 'in'
    group by account, receiving_id

)

select
    coalesce(r.account, m.account) as account,
    coalesce(r.receiving_id, m.receiving_id) as receiving_id,
    r.receiving_id is not null as is_listed,
    r.is_closed,
    r.planned_date,
    r.received_date,
    cast(coalesce(l.received_quantity, 0) as bigint) as received_quantity,
    cast(coalesce(m.moved_quantity, 0) as bigint) as moved_quantity,
    cast(coalesce(l.damaged_quantity, 0) as bigint) as damaged_quantity,
    cast(coalesce(m.moved_damaged_quantity, 0) as bigint) as moved_damaged_quantity,
    cast(coalesce(r.extra_cost, 0) as decimal(38, 12)) as extra_cost,
    cast(coalesce(m.moved_extra_cost, 0) as decimal(38, 12)) as moved_extra_cost,
    cast(coalesce(r.extra_cost, 0) as decimal(38, 12)) - cast(coalesce(m.moved_extra_cost, 0) as decimal(38, 12))
        as extra_cost_residual
from receivings as r
full join movements as m
    on
        r.account = m.account
        and r.receiving_id = m.receiving_id
left join lines as l
    on
        r.account = l.account
        and r.receiving_id = l.receiving_id
where
    m.receiving_id is not null
    or r.is_closed
