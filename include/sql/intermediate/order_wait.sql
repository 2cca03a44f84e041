-- Stretches of time an order stood still: held by the shop, sent back, without stock, in a problem.
-- Grain: one row per account, order, cycle, kind and number.
with

current_run as (

    select staging.utc_of(as_of, zone) as now_utc
    from meta.current_run

),

-- few orders ever stood still: everything below is asked of those only
beginnings as (

    select
        account,
        order_id,
        cycle_no,
        case
            when event_type in ('created_on_hold', 'hold_set') then 'hold'
            when event_type = 'sent_back' then 'correction'
            when event_type = 'waiting_for_storage' then 'stock'
            else 'problem'
        end as kind,
        true as is_beginning,
        coalesce(occurred_after_utc, occurred_at_utc) as after_utc,
        occurred_at_utc as at_utc,
        evidence
    from marts.fct_order_event
    where
        event_type in (
            'created_on_hold', 'hold_set', 'sent_back', 'waiting_for_storage', 'problem_began'
        )

),

waiting_orders as (

    select distinct
        account,
        order_id,
        cycle_no,
        kind
    from beginnings

),

endings as (

    select
        e.account,
        e.order_id,
        e.cycle_no,
        w.kind,
        false as is_beginning,
        -- leaving only proves that it had ended, not since when
        case
            when e.event_type not in ('stock_out', 'sent', 'delivered', 'returned')
                then coalesce(e.occurred_after_utc, e.occurred_at_utc)
        end as after_utc,
        e.occurred_at_utc as at_utc,
        e.evidence
    from marts.fct_order_event as e
    inner join waiting_orders as w
        on
            e.account = w.account
            and e.order_id = w.order_id
            and e.cycle_no = w.cycle_no
    where
        e.event_type in ('sent', 'delivered', 'returned', 'cancelled')
        or (e.event_type = 'released' and w.kind = 'hold')
        or (e.event_type = 'pushed' and w.kind = 'correction')
        or (e.event_type = 'stock_ready' and w.kind = 'stock')
        or (e.event_type = 'problem_ended' and w.kind = 'problem')
        -- what left was no longer waiting; a problem may outlast it
        or (e.event_type = 'stock_out' and w.kind <> 'problem')

),

ends as (

    select *
    from beginnings
    union all
    select *
    from endings

),

-- of several witnesses to one beginning or end, each narrows it
turned as (

    select
        *,
        is_beginning is distinct from lag(is_beginning) over in_order as is_turn
    from ends
    window in_order as (
        partition by account, order_id, cycle_no, kind
        order by at_utc, after_utc, is_beginning desc
    )

),

numbered as (

    select
        *,
        count(*) filter (where is_turn and is_beginning) over (
            partition by account, order_id, cycle_no, kind
            order by at_utc, after_utc, is_beginning desc
            rows between unbounded preceding and current row
        ) as wait_no
    from turned

),

stretches as (

    select
        account,
        order_id,
        cycle_no,
        kind,
        wait_no,
        min(at_utc) filter (where is_beginning) as began_at_utc,
        max(after_utc) filter (where is_beginning) as began_after_utc,
        arg_min(evidence, at_utc) filter (where is_beginning) as began_evidence,
        min(at_utc) filter (where not is_beginning) as ended_at_utc,
        arg_min(after_utc, at_utc) filter (where not is_beginning and after_utc is not null) as ended_after_utc,
        arg_min(evidence, at_utc) filter (where not is_beginning) as ended_evidence
    from numbered
    where wait_no > 0
    group by account, order_id, cycle_no, kind, wait_no

),

bounded as (

    select
        s.* replace (
            least(s.began_after_utc, s.began_at_utc) as began_after_utc,
            least(greatest(coalesce(s.ended_after_utc, s.began_at_utc), s.began_after_utc), s.ended_at_utc)
                as ended_after_utc
        ),
        r.now_utc
    from stretches as s
    cross join current_run as r

)

select
    account,
    order_id,
    cycle_no,
    kind,
    wait_no,
    began_after_utc,
    began_at_utc,
    began_evidence,
    case when ended_at_utc is not null then ended_after_utc end as ended_after_utc,
    ended_at_utc,
    ended_evidence,
    ended_at_utc is null as is_open,
    greatest(
        date_diff('second', began_at_utc, case when ended_at_utc is null then now_utc else ended_after_utc end), 0
    ) / 3600.0 as hours_least,
    date_diff('second', began_after_utc, coalesce(ended_at_utc, now_utc)) / 3600.0 as hours_most
from bounded
