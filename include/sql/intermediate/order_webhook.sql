-- What webhooks say happened to orders, in the words of order events.
-- Grain: one row per account and event of an order the source still has; later than now there are none.
with

current_run as (

    select
        zone,
        staging.utc_of(as_of, zone) as now_utc
    from meta.current_run

),

changing_days as (

    select date
    from intermediate.calendar_zone_day
    where has_change

),

orders as (

    select
        account,
        order_id,
        order_no
    from intermediate.order_key

),

-- what is not here says nothing of the clock (OrderDeliveryChanged); of updates only holds are told, below
events as (

    select
        account,
        subject_id as order_id,
        received_no,
        case event_type
            when 'OrderCreated' then 'created_on_hold'
            when 'OrderPushedToExpedition' then 'pushed'
            when 'OrderPacked' then 'packed'
            when 'OrderSent' then 'sent'
            when 'OrderDelivered' then 'delivered'
            when 'OrderUpdated' then 'hold_set'
            when 'OrderReturned' then 'returned'
            when 'OrderCanceled' then 'cancelled'
            when 'OrderNotSent' then 'not_sent'
            when 'OrderRestored' then 'restored'
            when 'OrderStatusChangedToWaitingForStorage' then 'waiting_for_storage'
            when 'OrderStatusChangedToCreated' then 'sent_back'
        end as event_type,
        -- one that was not on hold when it was created tells nothing new
        case
            when event_type in ('OrderCreated', 'OrderUpdated')
                then try_cast(coalesce(payload ->> '$.data.on_hold', payload ->> '$.on_hold') as boolean)
        end as is_on_hold,
        occurred_at,
        occurred_at_utc,
        received_at_utc,
        cast(occurred_at as date) in (select date from changing_days) as is_on_changing_day
    from staging.webhook_events
    where
        source = 'fulfillment_cz'
        and subject_kind = 'order'
        and _deleted_at is null

),

told as (

    select
        o.order_no,
        e.received_no,
        e.event_type,
        e.is_on_hold,
        e.occurred_at_utc as after_utc,
        -- a time of the repeated hour, received after its second pass began, may be of either
        case
            when not e.is_on_changing_day then e.occurred_at_utc
            when e.received_at_utc < staging.utc_of_second(e.occurred_at, r.zone) then e.occurred_at_utc
            else staging.utc_of_second(e.occurred_at, r.zone)
        end as at_utc
    from events as e
    inner join orders as o
        on
            e.account = o.account
            and e.order_id = o.order_id
    cross join current_run as r
    where
        e.event_type is not null
        and (e.event_type <> 'created_on_hold' or e.is_on_hold)
        and (e.event_type <> 'hold_set' or e.is_on_hold is not null)
        -- a time that never was has no instant and proves nothing; what comes after now is not known yet
        and e.occurred_at_utc <= r.now_utc

),

-- an update tells of a hold only where it differs from what was told before
holds as (

    select
        * exclude (is_on_hold),
        is_on_hold,
        coalesce(lag(is_on_hold) over (partition by order_no order by at_utc, received_no), false) as was_on_hold
    from told
    where event_type in ('created_on_hold', 'hold_set')

)

select
    order_no,
    received_no,
    event_type,
    after_utc,
    at_utc
from told
where event_type not in ('created_on_hold', 'hold_set')
union all
select
    order_no,
    received_no,
    case when is_on_hold then event_type else 'released' end as event_type,
    after_utc,
    at_utc
from holds
where is_on_hold <> was_on_hold
