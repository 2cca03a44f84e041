-- What the pieces of an order cost in the reporting currency, with settlements so far, and what of it came back.
-- Grain: one row per account and order that had pieces out.
with

flows as (

    select
        account,
        movement_id,
        kind,
        side,
        date,
        quantity,
        headline_cost,
        headline_final,
        headline_missing_cost_quantity
    from intermediate.stock_flow
    where
        kind in ('dispatch', 'return')
        and side in ('issue', 'receipt')

),

movements as (

    select
        account,
        movement_id,
        order_id
    from marts.fct_stock_movement
    where
        order_id is not null
        and kind in ('dispatch', 'return')

),

rates as (

    select
        currency,
        date,
        units_own,
        units_target
    from intermediate.reporting_rate

),

settings as (

    select
        m.reporting_currency,
        v.valuation_currency
    from marts.dim_money_setting as m
    cross join marts.dim_valuation_setting as v

),

days as (

    select
        m.account,
        m.order_id,
        f.date,
        sum(f.quantity) filter (where f.side = 'issue') as dispatched_pieces,
        sum(f.quantity) filter (where f.side = 'receipt') as returned_pieces,
        coalesce(sum(f.headline_final) filter (where f.side = 'issue'), 0) as dispatched_cost,
        coalesce(sum(f.headline_cost) filter (where f.side = 'receipt'), 0) as returned_cost,
        coalesce(sum(f.headline_missing_cost_quantity) filter (where f.side = 'issue'), 0) as missing_cost_pieces
    from flows as f
    inner join movements as m
        on
            f.account = m.account
            and f.movement_id = m.movement_id
    group by m.account, m.order_id, f.date

),

converted as (

    select
        d.*,
        case
            when s.valuation_currency = s.reporting_currency then cast(round(d.dispatched_cost, 4) as decimal(38, 4))
            else intermediate.in_currency(d.dispatched_cost, r.units_target, r.units_own)
        end as dispatched_cost_reporting,
        case
            when s.valuation_currency = s.reporting_currency then cast(round(d.returned_cost, 4) as decimal(38, 4))
            else intermediate.in_currency(d.returned_cost, r.units_target, r.units_own)
        end as returned_cost_reporting
    from days as d
    cross join settings as s
    left join rates as r
        on
            s.valuation_currency = r.currency
            and d.date = r.date

)

select
    account,
    order_id,
    min(date) filter (where dispatched_pieces > 0) as dispatched_date,
    cast(coalesce(sum(dispatched_pieces), 0) as bigint) as dispatched_pieces,
    cast(coalesce(sum(returned_pieces), 0) as bigint) as returned_pieces,
    cast(sum(missing_cost_pieces) as bigint) as missing_cost_pieces,
    case when bool_and(dispatched_cost_reporting is not null) then sum(dispatched_cost_reporting) end
        as dispatched_cost,
    case when bool_and(returned_cost_reporting is not null) then sum(returned_cost_reporting) end as returned_cost
from converted
group by account, order_id
