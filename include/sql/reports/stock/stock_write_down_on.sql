-- Stock at the end of a local day at cost and at what it can still be sold for, by the rules in force on that day.
-- Grain: one row per account, variant and pool with pieces on hand or owed.
with

rules as (

    select
        account,
        rule_no,
        rule,
        applies_to,
        days,
        factor
    from intermediate.account_write_down_rule
    where
        (valid_from is null or valid_from <= day)
        and (valid_to is null or valid_to > day)

),

balances as (

    select
        b.account,
        b.variant_id,
        b.pool,
        b.quantity,
        intermediate.headline(
            h.headline, b.fifo_landed_value, b.fifo_bare_value, b.average_landed_value, b.average_bare_value
        ) as value,
        intermediate.headline_quantity(h.headline, b.missing_cost_quantity, b.average_missing_cost_quantity)
        > 0 as is_cost_missing,
        case when not is_cost_missing then value end as cost,
        -- a factor leaves 38 digits beyond that size
        not is_cost_missing
        and (b.account not in (select account from rules) or abs(cost) < 100000000000000000000) as is_known
    from marts.fct_stock_balance as b
    inner join intermediate.account_headline as h on b.account = h.account
    where
        b.valid_from <= day
        and (b.valid_to is null or b.valid_to > day)
        and b.quantity <> 0

),

-- of several rules for the same pieces the lowest factor applies
factors as (

    select
        p.account,
        p.variant_id,
        p.pool,
        p.receipt_id,
        p.expiry,
        greatest(any_value(p.cost), 0) as cost,
        coalesce(min(r.factor) filter (where r.applies_to <> 'expired' or p.expiry = 'expired'), 1) as factor,
        min(r.factor) as factor_least,
        first(r.rule order by r.factor, r.rule_no) filter (
            where r.factor < 1 and (r.applies_to <> 'expired' or p.expiry = 'expired')
        ) as rule
    from intermediate.stock_part_at(day) as p
    inner join rules as r on p.account = r.account
    where
        case r.applies_to
            when 'damaged' then p.pool = 'damaged'
            when 'age' then day - p.received_date > r.days
            when 'no_issue' then day - p.idle_since > r.days
            else p.expiry in ('expired', 'doubtful')
        end
    group by p.account, p.variant_id, p.pool, p.receipt_id, p.expiry

),

pools as (

    select
        account,
        variant_id,
        pool,
        cast(sum(cost * (1 - factor)) as decimal(38, 12)) as write_down,
        cast(sum(cost * (1 - factor_least)) as decimal(38, 12)) as write_down_most,
        string_agg(distinct rule, ', ' order by rule) as rule
    from factors
    group by account, variant_id, pool

),

written_down as (

    select
        b.*,
        case when b.is_known then least(coalesce(p.write_down, 0), greatest(b.cost, 0)) end as write_down,
        case when b.is_known then least(coalesce(p.write_down_most, 0), greatest(b.cost, 0)) end as write_down_most,
        p.rule
    from balances as b
    left join pools as p
        on
            b.account = p.account
            and b.variant_id = p.variant_id
            and b.pool = p.pool

)

select
    w.account,
    w.variant_id,
    w.pool,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    w.quantity,
    w.cost,
    w.cost - w.write_down as net_realisable_value,
    w.write_down,
    w.write_down_most,
    w.rule,
    w.is_cost_missing
from written_down as w
left join intermediate.variant_at(day) as v
    on
        w.account = v.account
        and w.variant_id = v.variant_id
