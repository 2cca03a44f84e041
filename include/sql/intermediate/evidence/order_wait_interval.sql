-- Stretches of time an order stood still: held by the shop, sent back, without stock, in a problem.
-- Grain: one row per account, order, cycle, kind and number.
with

orders as not materialized (

    select
        account,
        order_id,
        order_no
    from intermediate.order_base

),

-- few orders ever stood still: everything below is asked of those only
ends as (

    select
        order_no,
        cycle_no,
        kind,
        is_beginning,
        after_utc,
        at_utc,
        evidence
    from intermediate.order_standstill_end

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
        arg_min_null(evidence, (at_utc, at_utc - after_utc, evidence = 'poll')) filter (where is_beginning)
            as began_evidence,
        min(at_utc) filter (where not is_beginning) as ended_at_utc,
        arg_min(after_utc, (at_utc, at_utc - after_utc)) filter (where not is_beginning and after_utc is not null)
            as ended_after_utc,
        arg_min_null(evidence, (at_utc, at_utc - after_utc, evidence = 'poll')) filter (where not is_beginning)
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
    cross join intermediate.run_now as r

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
    intermediate.hours_between(
        b.began_at_utc, case when b.ended_at_utc is null then b.now_utc else b.ended_after_utc end
    ) as hours_least,
    date_diff('second', b.began_after_utc, coalesce(b.ended_at_utc, b.now_utc)) / 3600.0 as hours_most
from orders as k
inner join bounded as b
    on k.order_no = b.order_no
