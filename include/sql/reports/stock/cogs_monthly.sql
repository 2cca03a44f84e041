-- Cost of goods that left for orders, by month and variant.
-- Grain: one row per account, month and variant with a dispatch, a return, a settlement or a write-off.
with

movements as (

    select
        account,
        movement_id,
        kind,
        quantity + damaged_quantity as pieces,
        source_extra_cost
    from marts.fct_stock_movement

),

issues as (

    select
        account,
        movement_id,
        variant_id,
        moved_date,
        quantity,
        missing_cost_quantity,
        average_missing_cost_quantity,
        fifo_landed_cogs,
        fifo_bare_cogs,
        average_landed_cogs,
        average_bare_cogs,
        fifo_landed_cogs_final,
        fifo_bare_cogs_final,
        average_landed_cogs_final,
        average_bare_cogs_final
    from marts.fct_issue_cost

),

settlements as (

    select
        account,
        issue_id,
        variant_id,
        settled_date,
        fifo_landed_settlement,
        fifo_bare_settlement,
        average_landed_settlement,
        average_bare_settlement
    from marts.fct_cost_settlement

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

flows as (

    select
        i.account,
        i.variant_id,
        i.moved_date as date,
        case m.kind when 'dispatch' then 'dispatched' else 'written_off' end as flow,
        i.quantity,
        i.missing_cost_quantity,
        i.average_missing_cost_quantity,
        0 as extra_cost,
        i.fifo_landed_cogs as fifo_landed_cost,
        i.fifo_bare_cogs as fifo_bare_cost,
        i.average_landed_cogs as average_landed_cost,
        i.average_bare_cogs as average_bare_cost,
        case m.kind when 'dispatch' then i.fifo_landed_cogs_final else 0 end as fifo_landed_final,
        case m.kind when 'dispatch' then i.fifo_bare_cogs_final else 0 end as fifo_bare_final,
        case m.kind when 'dispatch' then i.average_landed_cogs_final else 0 end as average_landed_final,
        case m.kind when 'dispatch' then i.average_bare_cogs_final else 0 end as average_bare_final
    from issues as i
    inner join movements as m
        on
            i.account = m.account
            and i.movement_id = m.movement_id
    where m.kind in ('dispatch', 'correction')
    union all
    select
        t.account,
        t.variant_id,
        t.settled_date as date,
        case m.kind when 'dispatch' then 'settlement' else 'written_off' end as flow,
        0 as quantity,
        0 as missing_cost_quantity,
        0 as average_missing_cost_quantity,
        0 as extra_cost,
        t.fifo_landed_settlement as fifo_landed_cost,
        t.fifo_bare_settlement as fifo_bare_cost,
        t.average_landed_settlement as average_landed_cost,
        t.average_bare_settlement as average_bare_cost,
        0 as fifo_landed_final,
        0 as fifo_bare_final,
        0 as average_landed_final,
        0 as average_bare_final
    from settlements as t
    inner join movements as m
        on
            t.account = m.account
            and t.issue_id = m.movement_id
    where m.kind in ('dispatch', 'correction')
    union all
    select
        r.account,
        r.variant_id,
        r.moved_date as date,
        'returned' as flow,
        r.quantity,
        0 as missing_cost_quantity,
        0 as average_missing_cost_quantity,
        -- beyond these sizes the product leaves 38 digits
        case
            when abs(m.source_extra_cost) < 1000000000 and r.quantity < 1000000000
                then cast(m.source_extra_cost * r.quantity as decimal(38, 12))
            else 0
        end as extra_cost,
        r.fifo_landed_cost as fifo_landed_cost,
        r.fifo_bare_cost as fifo_bare_cost,
        r.average_landed_cost as average_landed_cost,
        r.average_bare_cost as average_bare_cost,
        0 as fifo_landed_final,
        0 as fifo_bare_final,
        0 as average_landed_final,
        0 as average_bare_final
    from receipts as r
    inner join movements as m
        on
            r.account = m.account
            and r.movement_id = m.movement_id
    where m.kind = 'return'

),

months as (

    select
        account,
        cast(date_trunc('month', date) as date) as month,
        variant_id,
        cast(coalesce(sum(quantity) filter (where flow = 'dispatched'), 0) as bigint) as dispatched_quantity,
        cast(coalesce(sum(quantity) filter (where flow = 'returned'), 0) as bigint) as returned_quantity,
        cast(coalesce(sum(quantity) filter (where flow = 'written_off'), 0) as bigint) as written_off_quantity,
        cast(coalesce(sum(missing_cost_quantity) filter (where flow = 'dispatched'), 0) as bigint) as missing_cost_quantity,
        cast(coalesce(sum(average_missing_cost_quantity) filter (where flow = 'dispatched'), 0) as bigint)
            as average_missing_cost_quantity,
        sum(extra_cost) as return_extra_cost,
        coalesce(sum(fifo_landed_cost) filter (where flow = 'dispatched'), 0) as fifo_landed_dispatched,
        coalesce(sum(fifo_landed_cost) filter (where flow = 'settlement'), 0) as fifo_landed_settlement,
        coalesce(sum(fifo_landed_cost) filter (where flow = 'returned'), 0) as fifo_landed_returned,
        coalesce(sum(fifo_landed_cost) filter (where flow = 'written_off'), 0) as fifo_landed_written_off,
        coalesce(sum(fifo_landed_cost) filter (where flow in ('dispatched', 'settlement')), 0)
        - coalesce(sum(fifo_landed_cost) filter (where flow = 'returned'), 0) as fifo_landed_cogs,
        sum(fifo_landed_final) as fifo_landed_cogs_final,
        coalesce(sum(fifo_bare_cost) filter (where flow = 'dispatched'), 0) as fifo_bare_dispatched,
        coalesce(sum(fifo_bare_cost) filter (where flow = 'settlement'), 0) as fifo_bare_settlement,
        coalesce(sum(fifo_bare_cost) filter (where flow = 'returned'), 0) as fifo_bare_returned,
        coalesce(sum(fifo_bare_cost) filter (where flow = 'written_off'), 0) as fifo_bare_written_off,
        coalesce(sum(fifo_bare_cost) filter (where flow in ('dispatched', 'settlement')), 0)
        - coalesce(sum(fifo_bare_cost) filter (where flow = 'returned'), 0) as fifo_bare_cogs,
        sum(fifo_bare_final) as fifo_bare_cogs_final,
        coalesce(sum(average_landed_cost) filter (where flow = 'dispatched'), 0) as average_landed_dispatched,
        coalesce(sum(average_landed_cost) filter (where flow = 'settlement'), 0) as average_landed_settlement,
        coalesce(sum(average_landed_cost) filter (where flow = 'returned'), 0) as average_landed_returned,
        coalesce(sum(average_landed_cost) filter (where flow = 'written_off'), 0) as average_landed_written_off,
        coalesce(sum(average_landed_cost) filter (where flow in ('dispatched', 'settlement')), 0)
        - coalesce(sum(average_landed_cost) filter (where flow = 'returned'), 0) as average_landed_cogs,
        sum(average_landed_final) as average_landed_cogs_final,
        coalesce(sum(average_bare_cost) filter (where flow = 'dispatched'), 0) as average_bare_dispatched,
        coalesce(sum(average_bare_cost) filter (where flow = 'settlement'), 0) as average_bare_settlement,
        coalesce(sum(average_bare_cost) filter (where flow = 'returned'), 0) as average_bare_returned,
        coalesce(sum(average_bare_cost) filter (where flow = 'written_off'), 0) as average_bare_written_off,
        coalesce(sum(average_bare_cost) filter (where flow in ('dispatched', 'settlement')), 0)
        - coalesce(sum(average_bare_cost) filter (where flow = 'returned'), 0) as average_bare_cogs,
        sum(average_bare_final) as average_bare_cogs_final
    from flows
    group by account, cast(date_trunc('month', date) as date), variant_id

)

select
    m.account,
    m.month,
    m.variant_id,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    m.* exclude (account, month, variant_id),
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then m.fifo_landed_dispatched
        when 'fifo_bare' then m.fifo_bare_dispatched
        when 'average_landed' then m.average_landed_dispatched
        else m.average_bare_dispatched
    end as dispatched_cost,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then m.fifo_landed_settlement
        when 'fifo_bare' then m.fifo_bare_settlement
        when 'average_landed' then m.average_landed_settlement
        else m.average_bare_settlement
    end as settlement,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then m.fifo_landed_returned
        when 'fifo_bare' then m.fifo_bare_returned
        when 'average_landed' then m.average_landed_returned
        else m.average_bare_returned
    end as returned_cost,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then m.fifo_landed_written_off
        when 'fifo_bare' then m.fifo_bare_written_off
        when 'average_landed' then m.average_landed_written_off
        else m.average_bare_written_off
    end as written_off_cost,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then m.fifo_landed_cogs
        when 'fifo_bare' then m.fifo_bare_cogs
        when 'average_landed' then m.average_landed_cogs
        else m.average_bare_cogs
    end as cogs,
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then m.fifo_landed_cogs_final
        when 'fifo_bare' then m.fifo_bare_cogs_final
        when 'average_landed' then m.average_landed_cogs_final
        else m.average_bare_cogs_final
    end as cogs_final,
    case s.headline_method
        when 'fifo' then m.missing_cost_quantity
        else m.average_missing_cost_quantity
    end as headline_missing_cost_quantity
from months as m
cross join settings as s
left join variants as v
    on
        m.account = v.account
        and m.variant_id = v.variant_id
