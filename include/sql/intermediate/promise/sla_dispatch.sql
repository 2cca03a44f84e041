-- Between which moments the clock of an order stopped, under the rule it was promised; what left unseen counts as gone.
-- Grain: one row per order and cycle.
with

ruled as (

    select
        p.* exclude (warehouse_id),
        r.rule_no,
        r.policy_version,
        r.calendar_version,
        r.cutoff,
        r.handling_days,
        intermediate.open_seconds_at(p.created_at_utc, r.opens_at_utc, r.closes_at_utc, r.open_seconds_before)
            as open_seconds_created,
        -- without a rule nothing is promised, but what left still did
        coalesce(r.stop_event, 'stock_out') as stop_event,
        coalesce(r.unseen_waits = 'widen', false) as widens,
        -- after a failed attempt the goods may leave without a new movement: then its sending tells
        coalesce(r.stop_event, 'stock_out') = 'stock_out'
        and p.stock_out_at_utc is null
        and p.is_complete
        and p.not_sent_at_utc is not null as is_resent
    from intermediate.order_progress as p
    left join intermediate.sla_rule as r
        on
            p.account = r.account
            and p.delivery_id is not distinct from r.delivery_id
            and p.warehouse_id is not distinct from r.warehouse_id
            and p.created_date = r.created_date

),

stopped as (

    select
        *,
        case stop_event
            when 'stock_out'
                then
                    case
                        when not is_resent then case when stock_out_at_utc is not null then stock_out_after_utc end
                        when sent_evidence = 'webhook' then greatest(sent_after_utc, not_sent_after_utc)
                        else not_sent_after_utc
                    end
            when 'packed' then packed_after_utc
            when 'sent' then sent_after_utc
            when 'delivered' then delivered_after_utc
        end as stop_after_utc,
        case stop_event
            when 'stock_out' then case when is_resent then sent_at_utc else stock_out_at_utc end
            when 'packed' then packed_at_utc
            when 'sent' then sent_at_utc
            when 'delivered' then delivered_at_utc
        end as stop_at_utc
    from ruled

),

settled as (

    select
        *,
        stop_at_utc is not null and (cancelled_at_utc is null or stop_at_utc <= cancelled_at_utc) as is_dispatched,
        -- it went, but what stops the clock was never seen whole
        stop_at_utc is null
        and coalesce(
            case stop_event
                when 'stock_out'
                    then
                        sent_at_utc is not null
                        or has_returned_status
                        -- what is out may be all of it
                        or (unknown_reason is not null and is_anything_out)
                when 'delivered' then has_returned_status
            end, false
        ) as is_dispatch_missing
    from stopped

)

select
    * exclude (
        is_complete, is_anything_out, has_returned_status, last_stock_out_at_utc, is_resent, stop_after_utc, stop_at_utc
    ) replace (
        case when rule_no is not null then stop_event end as stop_event,
        case
            when unknown_reason is not null then unknown_reason
            when is_dispatch_missing and stop_event = 'stock_out' then 'not all pieces are in the ledger'
        end as unknown_reason
    ),
    case when is_dispatched then stop_after_utc when is_dispatch_missing then last_stock_out_at_utc end
        as dispatch_after_utc,
    case when is_dispatched then stop_at_utc end as dispatch_at_utc,
    case
        when not is_dispatched then null
        when stop_event = 'packed' then packed_evidence
        when stop_event = 'delivered' then delivered_evidence
        when stop_event = 'sent' or is_resent then sent_evidence
        else 'movement'
    end as dispatch_evidence
from settled
