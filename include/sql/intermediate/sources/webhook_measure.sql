-- What the rules of alerts.yml compare of webhooks: apps that went, topics that are off, silence.
-- Grain: one row per account, measure and subject.
with

silences as (

    select
        account,
        source,
        last_received_no,
        silent_hours,
        usual_hours,
        orders_in_silence
    from intermediate.webhook_silence

),

current_run as (

    select now_utc
    from intermediate.run_now

),

-- an app that is heard again is there again
app_events as (

    select
        e.account,
        'app_events' as measure,
        e.event_type as subject,
        e.source as detail,
        count(*) as value,
        value as basis,
        greatest(date_diff('second', max(e.received_at_utc), any_value(r.now_utc)), 0) / 3600.0 as age_hours
    from staging.webhook_events as e
    left join silences as h
        on
            e.account = h.account
            and e.source = h.source
    cross join current_run as r
    where
        e.subject_kind = 'app'
        and e._deleted_at is null
        and (e.event_type <> 'app/uninstalled' or e.received_no > coalesce(h.last_received_no, 0))
    group by e.account, e.source, e.event_type

),

subscriptions_off as (

    select
        account,
        'subscriptions_off' as measure,
        source as subject,
        string_agg(topic, ', ' order by topic) as detail,
        count(*) as value,
        value as basis
    from meta.subscription
    where
        state <> 'active'
        and last_active_as_of is not null
    group by account, source

),

webhook_silences as (

    select
        account,
        'webhook_silence_hours' as measure,
        source as subject,
        silent_hours as value,
        orders_in_silence as basis,
        value as age_hours,
        usual_hours as usual
    from silences
    where orders_in_silence > 0

)

select *
from app_events
union all by name
select *
from subscriptions_off
union all by name
select *
from webhook_silences
