-- Problems in dispatch: whose, and for how long.
-- Grain: one row per account, order, cycle and problem.
with

waits as (

    select
        account,
        order_id,
        cycle_no,
        wait_no,
        began_after_utc,
        began_at_utc,
        began_evidence,
        ended_after_utc,
        ended_at_utc,
        ended_evidence,
        is_open,
        hours_least,
        hours_most
    from intermediate.order_wait_interval
    where kind = 'problem'

),

-- what the warehouse said of the problem, in the versions nights saw
sources as (

    select
        h.account,
        h.order_id,
        h.problem_source,
        h.problem_postponed,
        h.has_description,
        h.has_solution,
        staging.utc_of(h._valid_from, r.zone) as seen_utc
    from staging.orders_history as h
    cross join meta.current_run as r
    where
        h.problem_source is not null
        or h.has_solution is not null

),

-- the last name seen before the problem ended
named as (

    select
        w.account,
        w.order_id,
        w.cycle_no,
        w.wait_no,
        arg_max(s.problem_source, s.seen_utc) filter (where s.problem_source is not null) as problem_source,
        arg_max_null(s.problem_postponed, s.seen_utc) filter (where s.problem_source is not null) as is_postponed,
        bool_or(s.has_description) as has_description,
        bool_or(s.has_solution) as is_answered,
        min(s.seen_utc) filter (where s.has_solution) as answered_at_utc
    from waits as w
    inner join sources as s
        on
            w.account = s.account
            and w.order_id = s.order_id
            and s.seen_utc >= w.began_after_utc
            and (w.ended_at_utc is null or s.seen_utc <= w.ended_at_utc)
    group by w.account, w.order_id, w.cycle_no, w.wait_no

)

select
    w.account,
    w.order_id,
    w.cycle_no,
    w.wait_no as problem_no,
    o.number,
    o.remote_number,
    o.created_at,
    o.created_date,
    o.status,
    o.stage,
    o.delivery_id,
    m.name as delivery_name,
    coalesce(n.problem_source, 'unknown') as problem_source,
    case when n.is_postponed then 'postponed' when not n.is_postponed then 'problem' else 'unknown' end as problem_kind,
    n.has_description,
    n.is_answered,
    n.answered_at_utc,
    w.began_after_utc,
    w.began_at_utc,
    w.began_evidence,
    w.ended_after_utc,
    w.ended_at_utc,
    w.ended_evidence,
    w.is_open,
    w.hours_least,
    w.hours_most
from marts.fct_order as o
inner join waits as w
    on
        o.account = w.account
        and o.order_id = w.order_id
left join named as n
    on
        w.account = n.account
        and w.order_id = n.order_id
        and w.cycle_no = n.cycle_no
        and w.wait_no = n.wait_no
left join marts.dim_delivery_method as m
    on
        o.account = m.account
        and o.delivery_id = m.delivery_id
