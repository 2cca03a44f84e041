-- The milestones of an order, each as the interval its evidence leaves: a point where an event or a movement tells.
-- Grain: one row per order and cycle.
with

orders as (

    select
        account,
        order_id,
        order_no,
        created_at_utc,
        created_date,
        delivery_id,
        dispatch_date
    from intermediate.order_key

),

restores as (

    select
        order_no,
        cycle_no,
        after_utc,
        at_utc,
        evidence
    from intermediate.order_break
    where is_restored

),

cycles as (

    select
        *,
        1 as cycle_no,
        created_at_utc as begun_after_utc,
        created_at_utc as begun_at_utc,
        cast(null as varchar) as restored_evidence
    from orders
    union all
    select
        o.*,
        r.cycle_no,
        r.after_utc as begun_after_utc,
        r.at_utc as begun_at_utc,
        r.evidence as restored_evidence
    from orders as o
    inner join restores as r
        on o.order_no = r.order_no

),

-- leaving counts in the latest attempt only
seen as (

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

heard as (

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

-- what few orders know is counted apart and joined once: in the aggregates above each of it would cost in every row
rarely_seen as (

    select
        order_no,
        cycle_no,
        min(after_utc) filter (where is_returned) as seen_returned_after_utc,
        min(at_utc) filter (where is_returned) as seen_returned_at_utc,
        min(after_utc) filter (where is_cancelled) as seen_cancelled_after_utc,
        min(at_utc) filter (where is_cancelled) as seen_cancelled_at_utc,
        min(after_utc) filter (where is_problem_begun) as problem_began_after_utc,
        min(at_utc) filter (where is_problem_begun) as problem_began_at_utc,
        max(after_utc) filter (where is_problem_ended) as problem_ended_after_utc,
        max(at_utc) filter (where is_problem_ended) as problem_ended_at_utc
    from intermediate.order_poll_cycle
    where is_returned or is_cancelled or is_problem_begun or is_problem_ended
    group by order_no, cycle_no

),

rarely_heard as (

    select
        order_no,
        cycle_no,
        min(after_utc) filter (where event_type = 'returned') as told_returned_after_utc,
        min(at_utc) filter (where event_type = 'returned') as told_returned_at_utc,
        min(after_utc) filter (where event_type = 'cancelled') as told_cancelled_after_utc,
        min(at_utc) filter (where event_type = 'cancelled') as told_cancelled_at_utc
    from intermediate.order_webhook_cycle
    where event_type in ('returned', 'cancelled')
    group by order_no, cycle_no

),

-- only an event of the repeated hour leaves two readings: elsewhere both ends are one
heard_within as (

    select
        order_no,
        cycle_no,
        min(after_utc) filter (where event_type = 'pushed') as told_pushed_after_utc,
        min(after_utc) filter (where event_type = 'packed' and is_last_attempt) as told_packed_after_utc,
        min(after_utc) filter (where event_type = 'sent' and is_last_attempt) as told_sent_after_utc,
        min(after_utc) filter (where event_type = 'delivered' and is_last_attempt) as told_delivered_after_utc
    from intermediate.order_webhook_cycle
    -- so written, the few are looked up; as a plain filter all events would be
    where coalesce(order_no in (select order_no from intermediate.order_webhook where after_utc < at_utc), false)
    group by order_no, cycle_no

),

not_sent as (

    select
        order_no,
        cycle_no,
        max(after_utc) as not_sent_after_utc,
        max(at_utc) as not_sent_at_utc
    from intermediate.order_break
    where is_not_sent
    group by order_no, cycle_no

),

known_of_few as (

    select *
    from rarely_seen
    union all by name
    select *
    from rarely_heard
    union all by name
    select *
    from heard_within
    union all by name
    select *
    from not_sent

),

rare as (

    select
        order_no,
        cycle_no,
        max(seen_returned_after_utc) as seen_returned_after_utc,
        max(seen_returned_at_utc) as seen_returned_at_utc,
        max(seen_cancelled_after_utc) as seen_cancelled_after_utc,
        max(seen_cancelled_at_utc) as seen_cancelled_at_utc,
        max(problem_began_after_utc) as problem_began_after_utc,
        max(problem_began_at_utc) as problem_began_at_utc,
        max(problem_ended_after_utc) as problem_ended_after_utc,
        max(problem_ended_at_utc) as problem_ended_at_utc,
        max(told_returned_after_utc) as told_returned_after_utc,
        max(told_returned_at_utc) as told_returned_at_utc,
        max(told_cancelled_after_utc) as told_cancelled_after_utc,
        max(told_cancelled_at_utc) as told_cancelled_at_utc,
        max(told_pushed_after_utc) as told_pushed_after_utc,
        max(told_packed_after_utc) as told_packed_after_utc,
        max(told_sent_after_utc) as told_sent_after_utc,
        max(told_delivered_after_utc) as told_delivered_after_utc,
        max(not_sent_after_utc) as not_sent_after_utc,
        max(not_sent_at_utc) as not_sent_at_utc
    from known_of_few
    group by order_no, cycle_no

),

-- an event says when; without it polls say between when, and what came later bounds what came before
merged as (

    select
        c.*,
        r.not_sent_after_utc,
        r.not_sent_at_utc,
        s.pushed_after_utc as seen_pushed_after_utc,
        s.pushed_at_utc as seen_pushed_at_utc,
        coalesce(r.told_pushed_after_utc, h.first_pushed_at_utc) as first_pushed_after_utc,
        h.first_pushed_at_utc,
        coalesce(r.told_delivered_after_utc, h.delivered_at_utc, s.delivered_after_utc) as delivered_after_utc,
        coalesce(h.delivered_at_utc, s.delivered_at_utc) as delivered_at_utc,
        case when h.delivered_at_utc is not null then 'webhook' when s.delivered_at_utc is not null then 'poll' end
            as delivered_evidence,
        coalesce(h.sent_at_utc, least(s.sent_at_utc, h.delivered_at_utc)) as sent_at_utc,
        case
            when h.sent_at_utc is not null then coalesce(r.told_sent_after_utc, h.sent_at_utc)
            when s.sent_at_utc is not null or h.delivered_at_utc is not null
                then least(
                    greatest(
                        coalesce(s.sent_after_utc, c.begun_after_utc),
                        coalesce(r.told_packed_after_utc, h.packed_at_utc)
                    ),
                    least(s.sent_at_utc, h.delivered_at_utc)
                )
        end as sent_after_utc,
        case
            when h.sent_at_utc is not null then 'webhook'
            when h.delivered_at_utc < s.sent_at_utc then 'webhook'
            when s.sent_at_utc is not null then 'poll'
            when h.delivered_at_utc is not null then 'webhook'
        end as sent_evidence,
        coalesce(h.packed_at_utc, least(s.packed_at_utc, h.sent_at_utc, h.delivered_at_utc)) as packed_at_utc,
        case
            when h.packed_at_utc is not null then coalesce(r.told_packed_after_utc, h.packed_at_utc)
            when coalesce(s.packed_at_utc, h.sent_at_utc, h.delivered_at_utc) is not null
                then least(
                    coalesce(s.packed_after_utc, c.begun_after_utc),
                    least(s.packed_at_utc, h.sent_at_utc, h.delivered_at_utc)
                )
        end as packed_after_utc,
        case
            when h.packed_at_utc is not null then 'webhook'
            when least(h.sent_at_utc, h.delivered_at_utc) < s.packed_at_utc then 'webhook'
            when s.packed_at_utc is not null then 'poll'
            when coalesce(h.sent_at_utc, h.delivered_at_utc) is not null then 'webhook'
        end as packed_evidence,
        coalesce(r.told_returned_after_utc, r.seen_returned_after_utc) as returned_after_utc,
        coalesce(r.told_returned_at_utc, r.seen_returned_at_utc) as returned_at_utc,
        case when r.told_returned_at_utc is not null then 'webhook' when r.seen_returned_at_utc is not null then 'poll' end
            as returned_evidence,
        coalesce(r.told_cancelled_after_utc, r.seen_cancelled_after_utc) as cancelled_after_utc,
        coalesce(r.told_cancelled_at_utc, r.seen_cancelled_at_utc) as cancelled_at_utc,
        case when r.told_cancelled_at_utc is not null then 'webhook' when r.seen_cancelled_at_utc is not null then 'poll' end
            as cancelled_evidence,
        greatest(r.problem_began_after_utc, coalesce(r.told_pushed_after_utc, h.first_pushed_at_utc))
            as problem_began_after_utc,
        r.problem_began_at_utc,
        r.problem_ended_after_utc,
        -- what is packed has no problem any more
        case
            when h.packed_at_utc > r.problem_ended_after_utc then least(r.problem_ended_at_utc, h.packed_at_utc)
            else r.problem_ended_at_utc
        end as problem_ended_at_utc
    from cycles as c
    left join seen as s
        on
            c.order_no = s.order_no
            and c.cycle_no = s.cycle_no
    left join heard as h
        on
            c.order_no = h.order_no
            and c.cycle_no = h.cycle_no
    left join rare as r
        on
            c.order_no = r.order_no
            and c.cycle_no = r.cycle_no
            -- true of all, but planned as a fifth of them: so the few are the side that is kept in memory
            and r.order_no is not null

)

select
    * exclude (problem_began_after_utc, seen_pushed_after_utc, seen_pushed_at_utc),
    least(problem_began_after_utc, problem_began_at_utc) as problem_began_after_utc,
    coalesce(first_pushed_after_utc, seen_pushed_after_utc) as pushed_after_utc,
    coalesce(first_pushed_at_utc, seen_pushed_at_utc) as pushed_at_utc,
    case when first_pushed_at_utc is not null then 'webhook' when seen_pushed_at_utc is not null then 'poll' end
        as pushed_evidence,
    seen_pushed_after_utc,
    seen_pushed_at_utc
from merged
