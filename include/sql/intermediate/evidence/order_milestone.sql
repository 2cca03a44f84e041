-- The milestones of an order, each as the interval its evidence leaves: a point where an event or a movement tells.
-- Grain: one row per order and cycle.
with

-- leaving counts in the latest attempt only
by_poll as (

    select
        order_no,
        cycle_no,
        max(after_utc) filter (where is_pushed) as pushed_after_utc,
        max(at_utc) filter (where is_pushed) as pushed_at_utc,
        min(after_utc) filter (where is_packed and is_last_attempt) as packed_after_utc,
        min(at_utc) filter (where is_packed and is_last_attempt) as packed_at_utc,
        min(after_utc) filter (where is_sent and is_last_attempt) as sent_after_utc,
        min(at_utc) filter (where is_sent and is_last_attempt) as sent_at_utc,
        min(after_utc) filter (where is_delivered and is_last_attempt) as delivered_after_utc,
        min(at_utc) filter (where is_delivered and is_last_attempt) as delivered_at_utc
    from intermediate.order_poll_cycle
    where is_pushed or is_packed or is_sent or is_delivered
    group by order_no, cycle_no

),

by_event as (

    select
        order_no,
        cycle_no,
        min(at_utc) filter (where event_type = 'pushed') as first_pushed_at_utc,
        min(at_utc) filter (where event_type = 'packed' and is_last_attempt) as packed_at_utc,
        min(at_utc) filter (where event_type = 'sent' and is_last_attempt) as sent_at_utc,
        min(at_utc) filter (where event_type = 'delivered' and is_last_attempt) as delivered_at_utc
    from intermediate.order_webhook_cycle
    where event_type in ('pushed', 'packed', 'sent', 'delivered')
    group by order_no, cycle_no

),

-- an event says when; without it polls say between when, and what came later bounds what came before
merged as (

    select
        c.*,
        r.not_sent_after_utc,
        r.not_sent_at_utc,
        p.pushed_after_utc as pushed_by_poll_after_utc,
        p.pushed_at_utc as pushed_by_poll_at_utc,
        coalesce(r.pushed_by_event_after_utc, e.first_pushed_at_utc) as first_pushed_after_utc,
        e.first_pushed_at_utc,
        coalesce(r.delivered_by_event_after_utc, e.delivered_at_utc, p.delivered_after_utc) as delivered_after_utc,
        coalesce(e.delivered_at_utc, p.delivered_at_utc) as delivered_at_utc,
        case when e.delivered_at_utc is not null then 'webhook' when p.delivered_at_utc is not null then 'poll' end
            as delivered_evidence,
        coalesce(e.sent_at_utc, least(p.sent_at_utc, e.delivered_at_utc)) as sent_at_utc,
        case
            when e.sent_at_utc is not null then coalesce(r.sent_by_event_after_utc, e.sent_at_utc)
            when p.sent_at_utc is not null or e.delivered_at_utc is not null
                then least(
                    greatest(
                        coalesce(p.sent_after_utc, c.begun_after_utc),
                        coalesce(r.packed_by_event_after_utc, e.packed_at_utc)
                    ),
                    least(p.sent_at_utc, e.delivered_at_utc)
                )
        end as sent_after_utc,
        case
            when e.sent_at_utc is not null then 'webhook'
            when e.delivered_at_utc < p.sent_at_utc then 'webhook'
            when p.sent_at_utc is not null then 'poll'
            when e.delivered_at_utc is not null then 'webhook'
        end as sent_evidence,
        coalesce(e.packed_at_utc, least(p.packed_at_utc, e.sent_at_utc, e.delivered_at_utc)) as packed_at_utc,
        case
            when e.packed_at_utc is not null then coalesce(r.packed_by_event_after_utc, e.packed_at_utc)
            when coalesce(p.packed_at_utc, e.sent_at_utc, e.delivered_at_utc) is not null
                then least(
                    coalesce(p.packed_after_utc, c.begun_after_utc),
                    least(p.packed_at_utc, e.sent_at_utc, e.delivered_at_utc)
                )
        end as packed_after_utc,
        case
            when e.packed_at_utc is not null then 'webhook'
            when least(e.sent_at_utc, e.delivered_at_utc) < p.packed_at_utc then 'webhook'
            when p.packed_at_utc is not null then 'poll'
            when coalesce(e.sent_at_utc, e.delivered_at_utc) is not null then 'webhook'
        end as packed_evidence,
        coalesce(r.returned_by_event_after_utc, r.returned_by_poll_after_utc) as returned_after_utc,
        coalesce(r.returned_by_event_at_utc, r.returned_by_poll_at_utc) as returned_at_utc,
        case
            when r.returned_by_event_at_utc is not null then 'webhook'
            when r.returned_by_poll_at_utc is not null then 'poll'
        end as returned_evidence,
        coalesce(r.cancelled_by_event_after_utc, r.cancelled_by_poll_after_utc) as cancelled_after_utc,
        coalesce(r.cancelled_by_event_at_utc, r.cancelled_by_poll_at_utc) as cancelled_at_utc,
        case
            when r.cancelled_by_event_at_utc is not null then 'webhook'
            when r.cancelled_by_poll_at_utc is not null then 'poll'
        end as cancelled_evidence,
        greatest(r.problem_began_after_utc, coalesce(r.pushed_by_event_after_utc, e.first_pushed_at_utc))
            as problem_began_after_utc,
        r.problem_began_at_utc,
        r.problem_ended_after_utc,
        -- what is packed has no problem any more
        case
            when e.packed_at_utc > r.problem_ended_after_utc then least(r.problem_ended_at_utc, e.packed_at_utc)
            else r.problem_ended_at_utc
        end as problem_ended_at_utc
    from intermediate.order_cycle as c
    left join by_poll as p
        on
            c.order_no = p.order_no
            and c.cycle_no = p.cycle_no
    left join by_event as e
        on
            c.order_no = e.order_no
            and c.cycle_no = e.cycle_no
    left join intermediate.order_rare_milestone as r
        on
            c.order_no = r.order_no
            and c.cycle_no = r.cycle_no
            -- true of all, but planned as a fifth of them: so the few are the side that is kept in memory
            and r.order_no is not null

)

select
    * exclude (problem_began_after_utc, pushed_by_poll_after_utc, pushed_by_poll_at_utc),
    least(problem_began_after_utc, problem_began_at_utc) as problem_began_after_utc,
    coalesce(first_pushed_after_utc, pushed_by_poll_after_utc) as pushed_after_utc,
    coalesce(first_pushed_at_utc, pushed_by_poll_at_utc) as pushed_at_utc,
    case when first_pushed_at_utc is not null then 'webhook' when pushed_by_poll_at_utc is not null then 'poll' end
        as pushed_evidence
from merged
