-- Stock that left for an order or came back from it.
-- Grain: one row per account and movement that names an order.
with

movements as (

    select
        m.account,
        m.movement_id,
        k.order_no,
        m.variant_id,
        m.direction,
        m.quantity,
        m.damaged_quantity,
        m.created_text,
        m.created_at
    from staging.movements as m
    inner join intermediate.order_base as k
        on
            m.account = k.account
            and m.order_id = k.order_id
            -- true of all, but planned as a fifth of them: so movements are looked up in orders
            and k.order_no is not null
    where m._deleted_at is null

),

-- an offset tells the pass of the hour that occurs twice; else ids ascend in time: the second begins where the clock
-- falls back, whatever the movement that shows it is of
repeated as (

    select
        m.account,
        m.movement_id,
        m.created_at,
        staging.utc_of(m.created_at, r.zone) as first_pass_utc,
        staging.utc_of_second(m.created_at, r.zone) as second_pass_utc,
        staging.stated_utc(m.created_text) as stated_utc
    from staging.movements as m
    inner join intermediate.calendar_zone_day as d
        on cast(m.created_at as date) = d.date
    cross join intermediate.run_now as r
    where
        m._deleted_at is null
        and d.has_change
        and staging.utc_of(m.created_at, r.zone) <> staging.utc_of_second(m.created_at, r.zone)

),

doubtful as (

    select
        *,
        stated_utc is null
        and created_at < max(created_at) filter (where stated_utc is null) over (
            partition by account, cast(created_at as date)
            order by movement_id
            rows between unbounded preceding and 1 preceding
        ) as falls_back
    from repeated

),

second_pass as (

    select
        account,
        movement_id,
        first_pass_utc,
        second_pass_utc,
        stated_utc,
        bool_or(falls_back) over (
            partition by account, cast(first_pass_utc as date)
            order by movement_id
            rows between unbounded preceding and current row
        ) as is_second
    from doubtful

),

instants as (

    select
        m.*,
        case
            when s.stated_utc is not null then s.stated_utc
            when s.is_second then s.second_pass_utc
            when d.has_change is false then m.created_at - to_seconds(d.local_offset)
            else staging.utc_of(m.created_at, r.zone)
        end as moved_at_utc
    from movements as m
    cross join intermediate.run_now as r
    left join intermediate.calendar_zone_day as d
        on cast(m.created_at as date) = d.date
    left join second_pass as s
        on
            m.account = s.account
            and m.movement_id = s.movement_id

),

-- few orders have restarts: the inequality meets only their movements
begun_again as (

    select
        i.account,
        i.movement_id,
        -- goods leave a restored order, not a cancelled one; they come back before they are not sent
        count(*) filter (where b.is_restored and i.moved_at_utc > b.after_utc) as restores,
        count(*) filter (where b.is_not_sent and i.moved_at_utc > b.at_utc) as failed_attempts
    from instants as i
    inner join intermediate.order_restart as b
        on i.order_no = b.order_no
    group by i.account, i.movement_id

)

select
    i.account,
    i.movement_id,
    i.order_no,
    i.variant_id,
    i.direction,
    i.quantity + i.damaged_quantity as pieces,
    i.damaged_quantity as damaged_pieces,
    i.moved_at_utc,
    1 + coalesce(b.restores, 0) as cycle_no,
    1 + coalesce(b.failed_attempts, 0) as attempt_no
from instants as i
left join begun_again as b
    on
        i.account = b.account
        and i.movement_id = b.movement_id
cross join intermediate.run_now as r
-- what moved after now is not known yet
where i.moved_at_utc <= r.now_utc
