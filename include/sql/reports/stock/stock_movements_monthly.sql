-- What moved stock in a month, from opening to closing, by variant and pool.
-- Grain: one row per account, month, variant and pool that had stock or moved.
with

balances as (

    select
        account,
        variant_id,
        pool,
        valid_from,
        valid_to,
        quantity,
        fifo_landed_value,
        fifo_bare_value,
        average_landed_value,
        average_bare_value
    from marts.fct_stock_balance

),

movements as (

    select
        account,
        movement_id,
        kind
    from marts.fct_stock_movement

),

receipts as (

    select
        account,
        movement_id,
        variant_id,
        pool,
        moved_date,
        quantity,
        fifo_landed_cost,
        fifo_bare_cost,
        average_landed_cost,
        average_bare_cost
    from marts.fct_receipt_cost

),

issues as (

    select
        account,
        movement_id,
        variant_id,
        pool,
        moved_date,
        quantity,
        fifo_landed_cogs,
        fifo_bare_cogs,
        average_landed_cogs,
        average_bare_cogs
    from marts.fct_issue_cost

),

settlements as (

    select
        account,
        issue_id,
        variant_id,
        pool,
        settled_date,
        fifo_landed_settlement,
        fifo_bare_settlement,
        average_landed_settlement,
        average_bare_settlement
    from marts.fct_cost_settlement

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

    select cast(date_trunc('month', as_of) as date) as this_month
    from meta.current_run

),

-- the last balance of a month closes it, and every month until the next balance
closings as (

    select
        b.* exclude (valid_from, valid_to),
        cast(
            unnest(
                generate_series(
                    date_trunc('month', b.valid_from),
                    greatest(
                        date_trunc('month', b.valid_from),
                        coalesce(date_trunc('month', b.valid_to) - interval 1 month, r.this_month)
                    ),
                    interval 1 month
                )
            ) as date
        ) as month,
        date_trunc('month', b.valid_from) as changed_month
    from balances as b
    cross join current_run as r
    where b.valid_to is null or date_trunc('month', b.valid_to) > date_trunc('month', b.valid_from)

),

flows as (

    select
        r.account,
        r.variant_id,
        r.pool,
        r.moved_date as date,
        case m.kind when 'return' then 'returns' when 'transformation' then 'transformations_in' else 'receipts' end as flow,
        r.quantity,
        r.fifo_landed_cost as fifo_landed_value,
        r.fifo_bare_cost as fifo_bare_value,
        r.average_landed_cost as average_landed_value,
        r.average_bare_cost as average_bare_value
    from receipts as r
    inner join movements as m
        on
            r.account = m.account
            and r.movement_id = m.movement_id
    union all
    select
        i.account,
        i.variant_id,
        i.pool,
        i.moved_date as date,
        case m.kind when 'transformation' then 'transformations_out' else 'issues' end as flow,
        i.quantity,
        i.fifo_landed_cogs as fifo_landed_value,
        i.fifo_bare_cogs as fifo_bare_value,
        i.average_landed_cogs as average_landed_value,
        i.average_bare_cogs as average_bare_value
    from issues as i
    inner join movements as m
        on
            i.account = m.account
            and i.movement_id = m.movement_id
    union all
    select
        account,
        variant_id,
        pool,
        settled_date as date,
        'settlements' as flow,
        0 as quantity,
        fifo_landed_settlement as fifo_landed_value,
        fifo_bare_settlement as fifo_bare_value,
        average_landed_settlement as average_landed_value,
        average_bare_settlement as average_bare_value
    from settlements

),

months as (

    select
        account,
        variant_id,
        pool,
        cast(date_trunc('month', date) as date) as month,
        coalesce(sum(quantity) filter (where flow = 'receipts'), 0) as receipts_quantity,
        coalesce(sum(quantity) filter (where flow = 'returns'), 0) as returns_quantity,
        coalesce(sum(quantity) filter (where flow = 'transformations_in'), 0) as transformations_in_quantity,
        coalesce(sum(quantity) filter (where flow = 'issues'), 0) as issues_quantity,
        coalesce(sum(quantity) filter (where flow = 'transformations_out'), 0) as transformations_out_quantity,
        coalesce(sum(fifo_landed_value) filter (where flow = 'receipts'), 0) as fifo_landed_receipts,
        coalesce(sum(fifo_landed_value) filter (where flow = 'returns'), 0) as fifo_landed_returns,
        coalesce(sum(fifo_landed_value) filter (where flow = 'transformations_in'), 0) as fifo_landed_transformations_in,
        coalesce(sum(fifo_landed_value) filter (where flow = 'issues'), 0) as fifo_landed_issues,
        coalesce(sum(fifo_landed_value) filter (where flow = 'transformations_out'), 0) as fifo_landed_transformations_out,
        coalesce(sum(fifo_landed_value) filter (where flow = 'settlements'), 0) as fifo_landed_settlements,
        coalesce(sum(fifo_bare_value) filter (where flow = 'receipts'), 0) as fifo_bare_receipts,
        coalesce(sum(fifo_bare_value) filter (where flow = 'returns'), 0) as fifo_bare_returns,
        coalesce(sum(fifo_bare_value) filter (where flow = 'transformations_in'), 0) as fifo_bare_transformations_in,
        coalesce(sum(fifo_bare_value) filter (where flow = 'issues'), 0) as fifo_bare_issues,
        coalesce(sum(fifo_bare_value) filter (where flow = 'transformations_out'), 0) as fifo_bare_transformations_out,
        coalesce(sum(fifo_bare_value) filter (where flow = 'settlements'), 0) as fifo_bare_settlements,
        coalesce(sum(average_landed_value) filter (where flow = 'receipts'), 0) as average_landed_receipts,
        coalesce(sum(average_landed_value) filter (where flow = 'returns'), 0) as average_landed_returns,
        coalesce(sum(average_landed_value) filter (where flow = 'transformations_in'), 0) as average_landed_transformations_in,
        coalesce(sum(average_landed_value) filter (where flow = 'issues'), 0) as average_landed_issues,
        coalesce(sum(average_landed_value) filter (where flow = 'transformations_out'), 0) as average_landed_transformations_out,
        coalesce(sum(average_landed_value) filter (where flow = 'settlements'), 0) as average_landed_settlements,
        coalesce(sum(average_bare_value) filter (where flow = 'receipts'), 0) as average_bare_receipts,
        coalesce(sum(average_bare_value) filter (where flow = 'returns'), 0) as average_bare_returns,
        coalesce(sum(average_bare_value) filter (where flow = 'transformations_in'), 0) as average_bare_transformations_in,
        coalesce(sum(average_bare_value) filter (where flow = 'issues'), 0) as average_bare_issues,
        coalesce(sum(average_bare_value) filter (where flow = 'transformations_out'), 0) as average_bare_transformations_out,
        coalesce(sum(average_bare_value) filter (where flow = 'settlements'), 0) as average_bare_settlements
    from flows
    group by account, variant_id, pool, cast(date_trunc('month', date) as date)

),

joined as (

    select
        c.account,
        c.month,
        c.variant_id,
        c.pool,
        coalesce(o.quantity, 0) as opening_quantity,
        coalesce(m.receipts_quantity, 0) as receipts_quantity,
        coalesce(m.returns_quantity, 0) as returns_quantity,
        coalesce(m.transformations_in_quantity, 0) as transformations_in_quantity,
        coalesce(m.issues_quantity, 0) as issues_quantity,
        coalesce(m.transformations_out_quantity, 0) as transformations_out_quantity,
        c.quantity as closing_quantity,
        coalesce(o.fifo_landed_value, 0) as fifo_landed_opening,
        coalesce(m.fifo_landed_receipts, 0) as fifo_landed_receipts,
        coalesce(m.fifo_landed_returns, 0) as fifo_landed_returns,
        coalesce(m.fifo_landed_transformations_in, 0) as fifo_landed_transformations_in,
        coalesce(m.fifo_landed_issues, 0) as fifo_landed_issues,
        coalesce(m.fifo_landed_transformations_out, 0) as fifo_landed_transformations_out,
        coalesce(m.fifo_landed_settlements, 0) as fifo_landed_settlements,
        c.fifo_landed_value as fifo_landed_closing,
        coalesce(o.fifo_bare_value, 0) as fifo_bare_opening,
        coalesce(m.fifo_bare_receipts, 0) as fifo_bare_receipts,
        coalesce(m.fifo_bare_returns, 0) as fifo_bare_returns,
        coalesce(m.fifo_bare_transformations_in, 0) as fifo_bare_transformations_in,
        coalesce(m.fifo_bare_issues, 0) as fifo_bare_issues,
        coalesce(m.fifo_bare_transformations_out, 0) as fifo_bare_transformations_out,
        coalesce(m.fifo_bare_settlements, 0) as fifo_bare_settlements,
        c.fifo_bare_value as fifo_bare_closing,
        coalesce(o.average_landed_value, 0) as average_landed_opening,
        coalesce(m.average_landed_receipts, 0) as average_landed_receipts,
        coalesce(m.average_landed_returns, 0) as average_landed_returns,
        coalesce(m.average_landed_transformations_in, 0) as average_landed_transformations_in,
        coalesce(m.average_landed_issues, 0) as average_landed_issues,
        coalesce(m.average_landed_transformations_out, 0) as average_landed_transformations_out,
        coalesce(m.average_landed_settlements, 0) as average_landed_settlements,
        c.average_landed_value as average_landed_closing,
        coalesce(o.average_bare_value, 0) as average_bare_opening,
        coalesce(m.average_bare_receipts, 0) as average_bare_receipts,
        coalesce(m.average_bare_returns, 0) as average_bare_returns,
        coalesce(m.average_bare_transformations_in, 0) as average_bare_transformations_in,
        coalesce(m.average_bare_issues, 0) as average_bare_issues,
        coalesce(m.average_bare_transformations_out, 0) as average_bare_transformations_out,
        coalesce(m.average_bare_settlements, 0) as average_bare_settlements,
        c.average_bare_value as average_bare_closing
    from closings as c
    left join closings as o
        on
            c.account = o.account
            and c.variant_id = o.variant_id
            and c.pool = o.pool
            and c.month = o.month + interval 1 month
    left join months as m
        on
            c.account = m.account
            and c.variant_id = m.variant_id
            and c.pool = m.pool
            and c.month = m.month
    where
        -- nothing there and nothing moved
        c.month = c.changed_month
        or c.quantity <> 0
        or c.fifo_landed_value <> 0
        or c.average_landed_value <> 0

)

select
    j.account,
    j.month,
    j.variant_id,
    j.pool,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    j.* exclude (account, month, variant_id, pool),
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then j.fifo_landed_opening
        when 'fifo_bare' then j.fifo_bare_opening
        when 'average_landed' then j.average_landed_opening
        else j.average_bare_opening
    end as opening_value,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then j.fifo_landed_receipts
        when 'fifo_bare' then j.fifo_bare_receipts
        when 'average_landed' then j.average_landed_receipts
        else j.average_bare_receipts
    end as receipts_value,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then j.fifo_landed_returns
        when 'fifo_bare' then j.fifo_bare_returns
        when 'average_landed' then j.average_landed_returns
        else j.average_bare_returns
    end as returns_value,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then j.fifo_landed_transformations_in
        when 'fifo_bare' then j.fifo_bare_transformations_in
        when 'average_landed' then j.average_landed_transformations_in
        else j.average_bare_transformations_in
    end as transformations_in_value,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then j.fifo_landed_issues
        when 'fifo_bare' then j.fifo_bare_issues
        when 'average_landed' then j.average_landed_issues
        else j.average_bare_issues
    end as issues_value,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then j.fifo_landed_transformations_out
        when 'fifo_bare' then j.fifo_bare_transformations_out
        when 'average_landed' then j.average_landed_transformations_out
        else j.average_bare_transformations_out
    end as transformations_out_value,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then j.fifo_landed_settlements
        when 'fifo_bare' then j.fifo_bare_settlements
        when 'average_landed' then j.average_landed_settlements
        else j.average_bare_settlements
    end as settlements_value,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then j.fifo_landed_closing
        when 'fifo_bare' then j.fifo_bare_closing
        when 'average_landed' then j.average_landed_closing
        else j.average_bare_closing
    end as closing_value
from joined as j
cross join settings as s
left join variants as v
    on
        j.account = v.account
        and j.variant_id = v.variant_id
