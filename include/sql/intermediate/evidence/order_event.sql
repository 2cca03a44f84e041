-- What happened to orders, from every kind of evidence.
-- Grain: one row per order and event.
with

created_events as (

    select
        order_no,
        'created' as event_type,
        -- the order itself states it
        'poll' as evidence,
        1 as source_no,
        cast(null as timestamp) as occurred_after_utc,
        created_at_utc as occurred_at_utc,
        1 as cycle_no,
        1 as attempt_no,
        cast(null as bigint) as pieces,
        cast(null as bigint) as damaged_pieces,
        cast(null as boolean) as is_put_back,
        cast(null as varchar) as shipment_status,
        cast(null as boolean) as has_note
    from intermediate.order_base

),

poll_events as (

    -- one version may show several things at once
    select
        order_no,
        unnest([
            case when is_restored then 'restored' end,
            case when is_created_on_hold then 'created_on_hold' end,
            case when is_hold_set then 'hold_set' end,
            case when is_released then 'released' end,
            case when is_waiting then 'waiting_for_storage' end,
            case when is_stock_ready then 'stock_ready' end,
            case when is_sent_back then 'sent_back' end,
            case when is_pushed then 'pushed' end,
            case when is_problem_begun then 'problem_began' end,
            case when is_problem_ended then 'problem_ended' end,
            case when is_packed then 'packed' end,
            case when is_not_sent then 'not_sent' end,
            case when is_sent then 'sent' end,
            case when is_delivered then 'delivered' end,
            case when is_returned then 'returned' end,
            case when is_cancelled then 'cancelled' end
        ]) as event_type,
        'poll' as evidence,
        version_no as source_no,
        after_utc as occurred_after_utc,
        at_utc as occurred_at_utc,
        cycle_no,
        attempt_no,
        cast(null as bigint) as pieces,
        cast(null as bigint) as damaged_pieces,
        cast(null as boolean) as is_put_back,
        cast(null as varchar) as shipment_status,
        cast(null as boolean) as has_note
    from intermediate.order_poll_cycle

),

webhook_events as (

    select
        order_no,
        cast(event_type as varchar) as event_type,
        'webhook' as evidence,
        received_no as source_no,
        case when after_utc < at_utc then after_utc end as occurred_after_utc,
        at_utc as occurred_at_utc,
        cycle_no,
        attempt_no,
        cast(null as bigint) as pieces,
        cast(null as bigint) as damaged_pieces,
        cast(null as boolean) as is_put_back,
        shipment_status,
        has_note
    from intermediate.order_webhook_cycle

),

movements as (

    select
        m.movement_id,
        m.order_no,
        m.direction,
        m.pieces,
        m.damaged_pieces,
        m.moved_at_utc,
        m.cycle_no,
        m.attempt_no,
        r.is_put_back
    from intermediate.order_movement as m
    left join intermediate.order_return as r
        on
            m.account = r.account
            and m.movement_id = r.movement_id

),

-- what moved in the same second is one event
movement_events as (

    select
        order_no,
        case direction when 'out' then 'stock_out' else 'stock_in' end as event_type,
        'movement' as evidence,
        min(movement_id) as source_no,
        cast(null as timestamp) as occurred_after_utc,
        moved_at_utc as occurred_at_utc,
        cycle_no,
        attempt_no,
        cast(sum(pieces) as bigint) as pieces,
        cast(sum(damaged_pieces) as bigint) as damaged_pieces,
        is_put_back,
        cast(null as varchar) as shipment_status,
        cast(null as boolean) as has_note
    from movements
    group by order_no, direction, moved_at_utc, cycle_no, attempt_no, is_put_back

),

all_events as (

    select *
    from created_events
    union all
    select *
    from poll_events
    where event_type is not null
    union all
    select *
    from webhook_events
    union all
    select *
    from movement_events

)

select *
from all_events
