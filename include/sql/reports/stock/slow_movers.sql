-- What is on hand, how long it lasts at the pace of the last 28 days, and how often it turned in a year.
-- Grain: one row per account and variant that ever had sellable pieces, those sold out or owed included.
with

balances as (

    select
        account,
        variant_id,
        valid_from,
        valid_to,
        quantity,
        headline_value as value
    from intermediate.stock_balance
    where pool = 'sellable'

),

flows as (

    select
        account,
        variant_id,
        date,
        side,
        kind,
        quantity,
        headline_final as cogs_final
    from intermediate.stock_flow
    where
        pool = 'sellable'
        and side in ('receipt', 'issue')

),

current_run as (

    select cast(as_of as date) as today
    from meta.current_run

),

-- whole days only: the day of the run has hardly begun
periods as (

    select
        b.account,
        greatest(min(b.valid_from), max(r.today) - 365) as first_date,
        max(r.today) as end_date
    from balances as b
    cross join current_run as r
    group by b.account

),

held as (

    select
        b.account,
        b.variant_id,
        p.end_date - p.first_date as period_days,
        -- beyond that size a year of it leaves 38 digits
        sum(
            case
                when abs(b.value) < 100000000000000000000
                    then
                        cast(
                            b.value * greatest(
                                least(coalesce(b.valid_to, p.end_date), p.end_date)
                                - greatest(b.valid_from, p.first_date),
                                0
                            ) as decimal(38, 12)
                        )
            end
        ) as value_days
    from balances as b
    inner join periods as p
        on b.account = p.account
    group by b.account, b.variant_id, p.end_date - p.first_date

),

moved as (

    select
        f.account,
        f.variant_id,
        max(f.date) filter (where f.side = 'receipt') as last_receipt_date,
        max(f.date) filter (where f.side = 'issue' and f.kind = 'dispatch') as last_dispatch_date,
        sum(f.quantity) filter (
            where f.side = 'issue' and f.date >= p.end_date - 28 and f.date < p.end_date
        ) as issued_quantity_28d,
        sum(f.cogs_final) filter (
            where f.side = 'issue' and f.date >= p.first_date and f.date < p.end_date
        ) as cogs_final
    from flows as f
    inner join periods as p
        on f.account = p.account
    group by f.account, f.variant_id

)

select
    b.account,
    b.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    b.quantity,
    b.value as stock_value,
    m.last_receipt_date,
    m.last_dispatch_date,
    c.today - m.last_dispatch_date as days_since_dispatch,
    cast(coalesce(m.issued_quantity_28d, 0) as bigint) as issued_quantity_28d,
    28.0 * greatest(b.quantity, 0) / nullif(cast(m.issued_quantity_28d as double), 0) as days_on_hand,
    h.period_days,
    cast(coalesce(m.cogs_final, 0) as decimal(38, 12)) as cogs_final,
    -- whole and rest apart: a quotient of decimals would be a float
    cast(floor(h.value_days) as hugeint) // nullif(h.period_days, 0)
    + cast(
        cast(
            (
                cast(floor(h.value_days) as hugeint) % nullif(h.period_days, 0)
                + cast(h.value_days - floor(h.value_days) as decimal(18, 12))
            ) * 1000000 as hugeint
        ) // h.period_days as decimal(18, 0)
    ) * cast(0.000001 as decimal(6, 6)) as mean_daily_stock_value,
    case
        when h.value_days > 0
            then cast(coalesce(m.cogs_final, 0) as double) * h.period_days / cast(h.value_days as double)
    end as turnover
from balances as b
cross join current_run as c
inner join held as h
    on
        b.account = h.account
        and b.variant_id = h.variant_id
left join moved as m
    on
        b.account = m.account
        and b.variant_id = m.variant_id
left join intermediate.current_variant as v
    on
        b.account = v.account
        and b.variant_id = v.variant_id
where b.valid_to is null
