-- Stretches of time an order stood still: held by the shop, sent back, without stock, in a problem.
-- Grain: one row per account, order, cycle, kind and number.
with

current_run as (

    select now_utc
    from intermediate.run_now

),

orders as not materialized (

    select
        account,
        order_id,
        order_no
    from intermediate.order_key

),

-- few orders ever stood still: everything below is asked of those only
seen as (

    select
        order_no,
        cycle_no,
        unnest([
            case when is_created_on_hold then 'created_on_hold' end,
            case when is_hold_set then 'hold_set' end,
            case when is_released then 'released' end,
            case when is_sent_back then 'sent_back' end,
            case when is_waiting then 'waiting_for_storage' end,
            case when is_stock_ready then 'stock_ready' end,
            case when is_problem_begun then 'problem_began' end,
            case when is_problem_ended then 'problem_ended' end
        ]) as event_type,
        after_utc,
        at_utc
    from intermediate.order_poll_cycle
    where
        is_created_on_hold
        or is_hold_set
        or is_released
        or is_sent_back
        or is_waiting
        or is_stock_ready
        or is_problem_begun
        or is_problem_ended

),

told as (

    select
        order_no,
        cycle_no,
        cast(event_type as varchar) as event_type,
        after_utc,
        at_utc
    from intermediate.order_webhook_cycle
    where event_type in ('created_on_hold', 'hold_set', 'released', 'sent_back', 'waiting_for_storage')

),

witnessed as (

    select
        order_no,
        cycle_no,
        event_type,
        after_utc,
        at_utc,
        'poll' as evidence
    from seen
    where event_type is not null
    union all
    select
        order_no,
        cycle_no,
        event_type,
        after_utc,
        at_utc,
        'webhook' as evidence
    from told

),

events as (

    select
        order_no,
        cycle_no,
        case event_type
            when 'created_on_hold' then 'hold'
            when 'hold_set' then 'hold'
            when 'released' then 'hold'
            when 'sent_back' then 'correction'
            when 'waiting_for_storage' then 'stock'
            when 'stock_ready' then 'stock'
            else 'problem'
        end as kind,
        event_type not in ('released', 'stock_ready', 'problem_ended') as is_beginning,
        after_utc,
        at_utc,
        evidence
    from witnessed

),

waiting_orders as (

    select distinct
        order_no,
        cycle_no,
        kind
    from events
    where is_beginning

),

waiting_keys as (

    select
        k.account,
        k.order_id,
        w.order_no,
        w.cycle_no,
        w.kind
    from orders as k
    inner join waiting_orders as w
        on k.order_no = w.order_no

),

fulfillments as (

    select
        w.order_no,
        w.cycle_no,
        w.kind,
        f.pushed_after_utc,
        f.pushed_at_utc,
        f.pushed_evidence,
        f.first_stock_out_at_utc,
        f.sent_at_utc,
        f.sent_evidence,
        f.delivered_at_utc,
        f.delivered_evidence,
        f.returned_at_utc,
        f.returned_evidence,
        f.cancelled_after_utc,
        f.cancelled_at_utc,
        f.cancelled_evidence
    from marts.fct_fulfillment as f
    inner join waiting_keys as w
        on
            f.account = w.account
            and f.order_id = w.order_id
            and f.cycle_no = w.cycle_no

),

-- leaving only proves that it had ended, not since when; a problem may outlast what left of it
witnesses as (

    select
        order_no,
        cycle_no,
        kind,
        cast(null as timestamp) as after_utc,
        least(
            case when kind <> 'problem' then first_stock_out_at_utc end,
            sent_at_utc,
            delivered_at_utc,
            returned_at_utc
        ) as at_utc,
        case
            when kind <> 'problem' and first_stock_out_at_utc is not null then 'movement'
            else coalesce(sent_evidence, delivered_evidence, returned_evidence)
        end as evidence
    from fulfillments

),

-- a push ends what the shop or the stock held up; a poll may show it together with a hold set after it
pushes as (

    select
        order_no,
        cycle_no,
        kind,
        pushed_after_utc as after_utc,
        pushed_at_utc as at_utc,
        pushed_evidence as evidence
    from fulfillments
    where kind = 'correction' or (kind in ('hold', 'stock') and pushed_evidence = 'webhook')

),

cancellations as (

    select
        order_no,
        cycle_no,
        kind,
        cancelled_after_utc as after_utc,
        cancelled_at_utc as at_utc,
        cancelled_evidence as evidence
    from fulfillments

),

endings as (

    select *
    from witnesses
    union all
    select *
    from pushes
    union all
    select *
    from cancellations

),

ends as (

    select *
    from events
    union all by name
    select
        false as is_beginning,
        *
    from endings
    where at_utc is not null

),

-- of several witnesses to one beginning or end, each narrows it
turned as (

    select
        *,
        is_beginning is distinct from lag(is_beginning) over in_order as is_turn
    from ends
    window in_order as (
        partition by order_no, cycle_no, kind
        order by at_utc, after_utc, is_beginning desc
    )

),

numbered as (

    select
        *,
        count(*) filter (where is_turn and is_beginning) over (
            partition by order_no, cycle_no, kind
            order by at_utc, after_utc, is_beginning desc
            rows between unbounded preceding and current row
        ) as wait_no
    from turned

),

stretches as (

    select
        order_no,
        cycle_no,
        kind,
        wait_no,
        min(at_utc) filter (where is_beginning) as began_at_utc,
        max(after_utc) filter (where is_beginning) as began_after_utc,
        -- of two witnesses to one moment the one that says it exactly
        arg_min(evidence, (at_utc, at_utc - after_utc, evidence = 'poll')) filter (where is_beginning) as began_evidence,
        min(at_utc) filter (where not is_beginning) as ended_at_utc,
        arg_min(after_utc, (at_utc, at_utc - after_utc)) filter (where not is_beginning and after_utc is not null)
            as ended_after_utc,
        arg_min(evidence, (at_utc, at_utc - after_utc, evidence = 'poll')) filter (where not is_beginning)
            as ended_evidence
    from numbered
    where wait_no > 0
    group by order_no, cycle_no, kind, wait_no

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
    k.account,
    k.order_id,
    b.cycle_no,
    b.kind,
    b.wait_no,
    b.began_after_utc,
    b.began_at_utc,
    b.began_evidence,
    case when b.ended_at_utc is not null then b.ended_after_utc end as ended_after_utc,
    b.ended_at_utc,
    b.ended_evidence,
    b.ended_at_utc is null as is_open,
    greatest(
        date_diff('second', b.began_at_utc, case when b.ended_at_utc is null then b.now_utc else b.ended_after_utc end), 0
    ) / 3600.0 as hours_least,
    date_diff('second', b.began_after_utc, coalesce(b.ended_at_utc, b.now_utc)) / 3600.0 as hours_most
from orders as k
inner join bounded as b
    on k.order_no = b.order_no
