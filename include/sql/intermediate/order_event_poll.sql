-- What happened to an order, as far as polls show it.
-- Grain: one row per order, version and event type.
with

polls as (

    select *
    from intermediate.order_poll

),

breaks as (

    select
        order_no,
        version_no,
        is_restored,
        is_not_sent
    from intermediate.order_break

),

begun_again as (

    select
        p.order_no,
        p.version_no,
        count(*) filter (where b.is_restored and b.version_no <= p.version_no) as restores,
        -- the version that shows a failed attempt already belongs to the next one
        count(*) filter (where b.is_not_sent and b.version_no <= p.version_no) as failed_attempts
    from polls as p
    inner join breaks as b
        on p.order_no = b.order_no
    group by p.order_no, p.version_no

),

numbered as (

    select
        p.* exclude (previous_status, previous_progress, previous_is_on_hold, previous_has_problem),
        -- a cycle begins with a clean sheet
        case when not p.is_restored then p.previous_status end as was_status,
        case when not p.is_restored then p.previous_progress end as was_progress,
        case when not p.is_restored then p.previous_is_on_hold end as was_on_hold,
        coalesce(not p.is_restored and p.previous_has_problem, false) as had_problem,
        1 + coalesce(b.restores, 0) as cycle_no,
        1 + coalesce(b.failed_attempts, 0) as attempt_no
    from polls as p
    left join begun_again as b
        on
            p.order_no = b.order_no
            and p.version_no = b.version_no

),

events as (

    select *, 'restored' as event_type
    from numbered
    where is_restored
    union all
    select *, 'created_on_hold' as event_type
    from numbered
    where is_on_hold and was_on_hold is null and status <> 'cancelled'
    union all
    select *, 'hold_set' as event_type
    from numbered
    where is_on_hold and was_on_hold is false and status <> 'cancelled'
    union all
    select *, 'released' as event_type
    from numbered
    where not is_on_hold and was_on_hold and status <> 'cancelled'
    union all
    select *, 'waiting_for_storage' as event_type
    from numbered
    where status = 'waiting_for_storage' and was_status is distinct from 'waiting_for_storage'
    union all
    select *, 'stock_ready' as event_type
    from numbered
    where was_status = 'waiting_for_storage' and status not in ('waiting_for_storage', 'cancelled')
    union all
    select *, 'sent_back' as event_type
    from numbered
    where status = 'created' and was_progress >= 1
    union all
    select *, 'pushed' as event_type
    from numbered
    where progress >= 1 and coalesce(was_progress, 0) = 0
    union all
    select *, 'problem_began' as event_type
    from numbered
    where has_problem and not had_problem
    union all
    select *, 'problem_ended' as event_type
    from numbered
    where had_problem and not has_problem
    union all
    select *, 'packed' as event_type
    from numbered
    where progress >= 2 and coalesce(was_progress, 0) < 2
    union all
    select *, 'not_sent' as event_type
    from numbered
    where is_not_sent
    union all
    select *, 'sent' as event_type
    from numbered
    where progress >= 3 and coalesce(was_progress, 0) < 3
    union all
    select *, 'delivered' as event_type
    from numbered
    where status = 'delivered' and was_status is distinct from 'delivered'
    union all
    select *, 'returned' as event_type
    from numbered
    where status = 'returned' and was_status is distinct from 'returned'
    union all
    select *, 'cancelled' as event_type
    from numbered
    where status = 'cancelled' and was_status is distinct from 'cancelled'

)

select
    order_no,
    version_no,
    event_type,
    after_utc as occurred_after_utc,
    at_utc as occurred_at_utc,
    'poll' as evidence,
    cycle_no,
    attempt_no
from events
