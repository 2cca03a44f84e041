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
        fifo_landed_value,
        fifo_bare_value,
        average_landed_value,
        average_bare_value
    from marts.fct_stock_balance
    where pool = 'sellable'

),

issues as (

    select
        account,
        movement_id,
        variant_id,
        moved_date,
        quantity,
        fifo_landed_cogs_final,
        fifo_bare_cogs_final,
        average_landed_cogs_final,
        average_bare_cogs_final
    from marts.fct_issue_cost
    where pool = 'sellable'

),

receipts as (

    select
        account,
        variant_id,
        moved_date
    from marts.fct_receipt_cost
    where pool = 'sellable'

),

movements as (

    select
        account,
        movement_id,
        kind
    from marts.fct_stock_movement
    where direction = 'out'

),

variants as (

    select
        account,
        variant_id,
        code,
        ext_code,
        product_name,
        variant_name,
        category_path
    from marts.dim_variant
    where is_current

),

settings as (

    select
        headline_method,
        headline_basis
    from marts.dim_valuation_setting

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

chosen as (

    select
        b.account,
        b.variant_id,
        b.valid_from,
        b.valid_to,
        b.quantity,
        case s.headline_method || '_' || s.headline_basis
            when 'fifo_landed' then b.fifo_landed_value
            when 'fifo_bare' then b.fifo_bare_value
            when 'average_landed' then b.average_landed_value
            else b.average_bare_value
        end as value
    from balances as b
    cross join settings as s

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
    from chosen as b
    inner join periods as p
        on b.account = p.account
    group by b.account, b.variant_id, p.end_date - p.first_date

),

issued as (

    select
        i.account,
        i.variant_id,
        max(i.moved_date) filter (where m.kind = 'dispatch') as last_dispatch_date,
        coalesce(
            sum(i.quantity) filter (where i.moved_date >= p.end_date - 28 and i.moved_date < p.end_date), 0
        ) as issued_quantity_28d,
        coalesce(
            sum(
                case s.headline_method || '_' || s.headline_basis
                    when 'fifo_landed' then i.fifo_landed_cogs_final
                    when 'fifo_bare' then i.fifo_bare_cogs_final
                    when 'average_landed' then i.average_landed_cogs_final
                    else i.average_bare_cogs_final
                end
            ) filter (where i.moved_date >= p.first_date and i.moved_date < p.end_date), 0
        ) as cogs_final
    from issues as i
    inner join movements as m
        on
            i.account = m.account
            and i.movement_id = m.movement_id
    inner join periods as p
        on i.account = p.account
    cross join settings as s
    group by i.account, i.variant_id

),

received as (

    select
        account,
        variant_id,
        max(moved_date) as last_receipt_date
    from receipts
    group by account, variant_id

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
    r.last_receipt_date,
    i.last_dispatch_date,
    c.today - i.last_dispatch_date as days_since_dispatch,
    cast(coalesce(i.issued_quantity_28d, 0) as bigint) as issued_quantity_28d,
    28.0 * greatest(b.quantity, 0) / nullif(cast(i.issued_quantity_28d as double), 0) as days_on_hand,
    h.period_days,
    cast(coalesce(i.cogs_final, 0) as decimal(38, 12)) as cogs_final,
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
            then cast(coalesce(i.cogs_final, 0) as double) * h.period_days / cast(h.value_days as double)
    end as turnover
from chosen as b
cross join current_run as c
inner join held as h
    on
        b.account = h.account
        and b.variant_id = h.variant_id
left join issued as i
    on
        b.account = i.account
        and b.variant_id = i.variant_id
left join received as r
    on
        b.account = r.account
        and b.variant_id = r.variant_id
left join variants as v
    on
        b.account = v.account
        and b.variant_id = v.variant_id
where b.valid_to is null
