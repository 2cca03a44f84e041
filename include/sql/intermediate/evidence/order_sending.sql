-- Between which moments an order was sent: by its being sent, delivered or returned, in its latest attempt.
-- Grain: one row per order and cycle that something says was sent, of orders whose movements are replayed.
with

cycles as (

    select
        order_no,
        cycle_no
    from intermediate.order_replayed

),

begun as (

    select
        b.order_no,
        b.created_at_utc,
        b.cycle_no,
        b.begun_after_utc
    from intermediate.order_cycle as b
    inner join cycles as c
        on
            b.order_no = c.order_no
            and b.cycle_no = c.cycle_no

),

by_poll as (

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

by_event as (

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
        e.sent_after_utc as by_event_after_utc,
        e.sent_at_utc as by_event_at_utc,
        greatest(coalesce(p.after_utc, b.begun_after_utc), e.packed_after_utc) as after_utc,
        least(p.at_utc, e.later_at_utc) as at_utc,
        b.cycle_no = 1 and coalesce(p.after_utc = b.created_at_utc, false) as is_first_seen
    from begun as b
    left join by_poll as p
        on
            b.order_no = p.order_no
            and b.cycle_no = p.cycle_no
    left join by_event as e
        on
            b.order_no = e.order_no
            and b.cycle_no = e.cycle_no

)

select
    order_no,
    cycle_no,
    case when by_event_at_utc is not null then by_event_after_utc else least(after_utc, at_utc) end as sent_after_utc,
    coalesce(by_event_at_utc, at_utc) as sent_at_utc,
    -- the first poll found it gone already: what came back after it was complete came from a customer
    is_first_seen and by_event_at_utc is null as is_first_seen
from bounded
where coalesce(by_event_at_utc, at_utc) is not null
