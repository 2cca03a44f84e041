-- What stopped an order or let it go on, by when it left: what began after it left is about something else.
-- Grain: one row per order, cycle, stretch in which it may have left, and event that counts then; few orders have any.
with

standstills as (

    select
        order_no,
        cycle_no,
        case
            when event_type = 'sent_back' then 'correction'
            when event_type in ('waiting_for_storage', 'stock_ready') then 'stock'
            else 'hold'
        end as kind,
        event_type,
        event_type not in ('released', 'stock_ready') as is_beginning,
        source_no,
        after_utc,
        at_utc,
        evidence
    from intermediate.order_standstill
    where event_type not in ('problem_began', 'problem_ended')
    union all
    select
        order_no,
        cycle_no,
        'hold' as kind,
        'created_on_hold' as event_type,
        true as is_beginning,
        0 as source_no,
        after_utc,
        at_utc,
        'webhook' as evidence
    from intermediate.order_carried_hold

),

-- of what a poll saw begin; a condition of one side only would be asked of every pair of rows
turns as (

    select
        *,
        case when is_beginning and evidence = 'poll' then kind end as seen_kind
    from standstills

),

beginnings_by_event as (

    select
        order_no,
        cycle_no,
        kind,
        after_utc,
        at_utc
    from standstills
    where
        evidence = 'webhook'
        and is_beginning

),

-- what a poll saw begin began when an event told of it
narrowed as (

    select
        s.* exclude (seen_kind, after_utc),
        coalesce(min(e.after_utc), any_value(s.after_utc)) as after_utc
    from turns as s
    left join beginnings_by_event as e
        on
            s.order_no = e.order_no
            and s.cycle_no = e.cycle_no
            and s.seen_kind = e.kind
            and s.after_utc < e.at_utc
            and s.at_utc >= e.at_utc
    group by all

),

-- the end of a stop counts where the stop does
stops as (

    select
        *,
        max(after_utc) filter (where is_beginning) over so_far as began_after_utc,
        max(at_utc) filter (where is_beginning) over so_far as began_at_utc
    from narrowed
    window so_far as (
        partition by order_no, cycle_no, kind
        order by at_utc, after_utc, is_beginning desc
        rows between unbounded preceding and current row
    )

),

moments as (

    select distinct
        order_no,
        cycle_no,
        unnest([after_utc, at_utc]) as left_after_utc
    from narrowed
    where is_beginning

),

stretches as (

    select
        *,
        lead(left_after_utc) over (partition by order_no, cycle_no order by left_after_utc) as left_until_utc
    from moments

)

select
    t.order_no,
    t.cycle_no,
    t.left_after_utc,
    t.left_until_utc,
    s.event_type,
    s.source_no,
    s.after_utc,
    s.at_utc,
    s.evidence,
    coalesce(s.began_at_utc <= t.left_after_utc, true) as is_sure
from stops as s
inner join stretches as t
    on
        s.order_no = t.order_no
        and s.cycle_no = t.cycle_no
        and coalesce(s.began_after_utc <= t.left_after_utc, true)
