-- What happened to an order, as far as polls show it.
-- Grain: one row per order, version and event type.
with

polls as (

    select
        order_no,
        version_no,
        status,
        progress,
        is_on_hold,
        has_problem,
        previous_status,
        previous_progress,
        previous_is_on_hold,
        previous_has_problem,
        after_utc,
        at_utc,
        is_restored,
        is_not_sent
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

    -- one version may show several things at once
    select
        order_no,
        version_no,
        after_utc,
        at_utc,
        cycle_no,
        attempt_no,
        unnest([
            case when is_restored then 'restored' end,
            case when is_on_hold and was_on_hold is null and status <> 'cancelled' then 'created_on_hold' end,
            case when is_on_hold and was_on_hold is false and status <> 'cancelled' then 'hold_set' end,
            case when not is_on_hold and was_on_hold and status <> 'cancelled' then 'released' end,
            case when status = 'waiting_for_storage' and was_status is distinct from 'waiting_for_storage' then 'waiting_for_storage' end,
            case when was_status = 'waiting_for_storage' and status not in ('waiting_for_storage', 'cancelled') then 'stock_ready' end,
            case when status = 'created' and was_progress >= 1 then 'sent_back' end,
            case when progress >= 1 and coalesce(was_progress, 0) = 0 then 'pushed' end,
            case when has_problem and not had_problem then 'problem_began' end,
            case when had_problem and not has_problem then 'problem_ended' end,
            case when progress >= 2 and coalesce(was_progress, 0) < 2 then 'packed' end,
            case when is_not_sent then 'not_sent' end,
            case when progress >= 3 and coalesce(was_progress, 0) < 3 then 'sent' end,
            case when status = 'delivered' and was_status is distinct from 'delivered' then 'delivered' end,
            case when status = 'returned' and was_status is distinct from 'returned' then 'returned' end,
            case when status = 'cancelled' and was_status is distinct from 'cancelled' then 'cancelled' end
        ]) as event_type
    from numbered

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
where event_type is not null
