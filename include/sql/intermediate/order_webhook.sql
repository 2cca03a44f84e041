-- What webhooks say happened to orders, in the words of order events.
-- Grain: one row per account and event of an order the source still has; later than now there are none.
with

-- what is not here says nothing of the clock (OrderDeliveryChanged) or is told apart below (OrderUpdated)
kinds as (

    select
        source_type,
        event_type
    from (
        values
        ('OrderCreated', 'created_on_hold'),
        ('OrderUpdated', 'hold_set'),
        ('OrderCanceled', 'cancelled'),
        ('OrderPushedToExpedition', 'pushed'),
        ('OrderPacked', 'packed'),
        ('OrderReturned', 'returned'),
        ('OrderNotSent', 'not_sent'),
        ('OrderSent', 'sent'),
        ('OrderDelivered', 'delivered'),
        ('OrderRestored', 'restored'),
        ('OrderStatusChangedToWaitingForStorage', 'waiting_for_storage'),
        ('OrderStatusChangedToCreated', 'sent_back')
    ) as told(source_type, event_type)

),

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

told as (

    select
        o.order_no,
        e.received_no,
        k.event_type,
        case when k.event_type in ('created_on_hold', 'hold_set') then cast(e.payload ->> 'on_hold' as boolean) end
            as is_on_hold,
        e.occurred_at_utc as after_utc,
        -- a time of the repeated hour, received after its second pass began, may be of either
        case
            when d.date is null then e.occurred_at_utc
            when e.received_at_utc < staging.utc_of_second(e.occurred_at, r.zone) then e.occurred_at_utc
            else staging.utc_of_second(e.occurred_at, r.zone)
        end as at_utc
    from staging.webhook_events as e
    inner join kinds as k
        on e.event_type = k.source_type
    inner join orders as o
        on
            e.account = o.account
            and e.subject_id = o.order_id
    cross join current_run as r
    left join changing_days as d
        on cast(e.occurred_at as date) = d.date
    where
        e.source = 'fulfillment_cz'
        and e.subject_kind = 'order'
        and e._deleted_at is null
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
    where
        event_type in ('created_on_hold', 'hold_set')
        and (is_on_hold or (event_type = 'hold_set' and is_on_hold is not null))

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
