-- Between which moments an order was sent: by its being sent, delivered or returned, in its latest attempt.
-- Grain: one row per order and cycle that something says was sent, of orders whose movements are replayed.
with

cycles as (

    select
        order_no,
        cycle_no
    from intermediate.order_replayed

),

orders as (

    select
        k.order_no,
        k.created_at_utc
    from intermediate.order_key as k
    inner join (select distinct order_no from cycles) as c
        on k.order_no = c.order_no

),

begun as (

    select
        o.order_no,
        o.created_at_utc,
        c.cycle_no,
        coalesce(b.after_utc, o.created_at_utc) as begun_after_utc
    from cycles as c
    inner join orders as o
        on c.order_no = o.order_no
    left join intermediate.order_break as b
        on
            c.order_no = b.order_no
            and c.cycle_no = b.cycle_no
            and b.is_restored

),

seen as (

    select
        p.order_no,
        p.cycle_no,
        min(p.after_utc) as after_utc,
        min(p.at_utc) as at_utc
    from intermediate.order_poll_cycle as p
    inner join cycles as c
        on
            p.order_no = c.order_no
            and p.cycle_no = c.cycle_no
    where
        (p.is_sent or p.is_delivered or p.is_returned)
        and p.is_last_attempt
    group by p.order_no, p.cycle_no

),

heard as (

    select
        w.order_no,
        w.cycle_no,
        min(w.after_utc) filter (where w.event_type = 'packed') as packed_after_utc,
        min(w.after_utc) filter (where w.event_type = 'sent') as sent_after_utc,
        min(w.at_utc) filter (where w.event_type = 'sent') as sent_at_utc,
        min(w.at_utc) filter (where w.event_type in ('delivered', 'returned')) as later_at_utc
    from intermediate.order_webhook_cycle as w
    inner join cycles as c
        on
            w.order_no = c.order_no
            and w.cycle_no = c.cycle_no
    where
        w.event_type in ('packed', 'sent', 'delivered', 'returned')
        and w.is_last_attempt
    group by w.order_no, w.cycle_no

),

bounded as (

    select
        b.order_no,
        b.cycle_no,
        h.sent_after_utc as told_after_utc,
        h.sent_at_utc as told_at_utc,
        greatest(coalesce(s.after_utc, b.begun_after_utc), h.packed_after_utc) as after_utc,
        least(s.at_utc, h.later_at_utc) as at_utc,
        b.cycle_no = 1 and coalesce(s.after_utc = b.created_at_utc, false) as is_first_seen
    from begun as b
    left join seen as s
        on
            b.order_no = s.order_no
            and b.cycle_no = s.cycle_no
    left join heard as h
        on
            b.order_no = h.order_no
            and b.cycle_no = h.cycle_no

)

select
    order_no,
    cycle_no,
    case when told_at_utc is not null then told_after_utc else least(after_utc, at_utc) end as sent_after_utc,
    coalesce(told_at_utc, at_utc) as sent_at_utc,
    -- the first poll found it gone already: what came back after it was complete came from a customer
    is_first_seen and told_at_utc is null as is_first_seen
from bounded
where coalesce(told_at_utc, at_utc) is not null
