-- By which poll an order counts that was edited at some time: by the first one after it left.
-- Grain: one row per order that left and whose lines, method or warehouse were edited; few orders are.
with

polls as (

    select
        local_at,
        latest_utc
    from intermediate.observation
    where is_past

),

-- one number in place of two texts: who shares it by accident is told apart below
edited_hashes as (

    select hash(account, order_id) as order_hash
    from staging.order_lines_history
    group by order_hash
    having min(_valid_from) < max(_valid_from) or count(_valid_to) > 0
    union
    select hash(account, order_id) as order_hash
    from staging.orders_history
    group by order_hash
    having min(delivery_id) < max(delivery_id) or min(warehouse_id) < max(warehouse_id)
    union
    select hash(account, order_id) as order_hash
    from intermediate.order_warehouse_event
    group by order_hash
    having min(warehouse_id) < max(warehouse_id)

),

edited as (

    select
        k.order_no,
        k.account,
        k.order_id,
        min(h._valid_from) as first_seen_at
    from intermediate.order_base as k
    left join staging.order_lines_history as h
        on
            k.account = h.account
            and k.order_id = h.order_id
    where hash(k.account, k.order_id) in (select order_hash from edited_hashes)
    group by k.order_no, k.account, k.order_id

),

-- only the latest attempt to send it says when it left
latest as (

    select
        e.order_no,
        coalesce(max(b.cycle_no), 1) as cycle_no,
        coalesce(max(b.attempt_no), 1) as attempt_no
    from edited as e
    left join intermediate.order_restart as b
        on e.order_no = b.order_no
    group by e.order_no

),

sent as (

    select
        p.order_no,
        p.at_utc
    from intermediate.order_poll_cycle as p
    inner join latest as l
        on
            p.order_no = l.order_no
            and p.cycle_no = l.cycle_no
    where
        (p.is_sent or p.is_delivered or p.is_returned)
        and p.is_last_attempt
    union all
    select
        w.order_no,
        w.at_utc
    from intermediate.order_webhook_cycle as w
    inner join latest as l
        on
            w.order_no = l.order_no
            and w.cycle_no = l.cycle_no
    where
        w.event_type in ('sent', 'delivered', 'returned')
        and w.is_last_attempt

),

-- what was put back has not left
moved as (

    select
        m.order_no,
        max(m.moved_at_utc) filter (where m.direction = 'out' and m.attempt_no >= l.attempt_no) as at_utc
    from intermediate.order_movement as m
    inner join latest as l
        on
            m.order_no = l.order_no
            and m.cycle_no = l.cycle_no
    group by m.order_no
    having sum(case m.direction when 'out' then m.pieces else -m.pieces end) > 0

),

departures as (

    select
        order_no,
        min(at_utc) as left_at_utc
    from (
        select *
        from sent
        union all
        select *
        from moved
    ) as evidence
    where at_utc is not null
    group by order_no

)

select
    e.order_no,
    e.account,
    e.order_id,
    d.left_at_utc,
    p.local_at as seen_at,
    greatest(p.local_at, e.first_seen_at) as lines_seen_at
from departures as d
inner join edited as e
    on d.order_no = e.order_no
asof inner join polls as p
    on d.left_at_utc <= p.latest_utc
cross join intermediate.run_now as r
where coalesce(e.first_seen_at <= r.as_of, true)
