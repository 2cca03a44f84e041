-- Where stretches of an order standing still began and ended, by every witness: polls, events, and what proves an end.
-- Grain: one row per order, cycle, kind, and beginning or end that a witness saw.
with

orders as not materialized (

    select
        account,
        order_id,
        order_no
    from intermediate.order_base

),

standstills as (

    select
        order_no,
        cycle_no,
        case
            when event_type in ('created_on_hold', 'hold_set', 'released') then 'hold'
            when event_type = 'sent_back' then 'correction'
            when event_type in ('waiting_for_storage', 'stock_ready') then 'stock'
            else 'problem'
        end as kind,
        event_type not in ('released', 'stock_ready', 'problem_ended') as is_beginning,
        after_utc,
        at_utc,
        evidence
    from intermediate.order_standstill

),

waiting_orders as (

    select distinct
        order_no,
        cycle_no,
        kind
    from standstills
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

)

select *
from standstills
union all by name
select
    false as is_beginning,
    *
from endings
where at_utc is not null
