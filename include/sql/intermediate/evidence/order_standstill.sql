-- What made an order stand still or go on, by polls and by events: holds, corrections, waits for stock, problems.
-- Grain: one row per order and event; few orders have any.
with

by_poll as (

    select
        order_no,
        cycle_no,
        version_no as source_no,
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
        at_utc,
        'poll' as evidence
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

by_event as (

    select
        order_no,
        cycle_no,
        received_no as source_no,
        cast(event_type as varchar) as event_type,
        after_utc,
        at_utc,
        'webhook' as evidence
    from intermediate.order_webhook_cycle
    where event_type in ('created_on_hold', 'hold_set', 'released', 'sent_back', 'waiting_for_storage')

)

select *
from by_poll
where event_type is not null
union all
select *
from by_event
