-- The rule of the policy that orders of a day were promised, by method and warehouse, and that day in the rule's calendar.
-- Grain: one row per account, delivery method, warehouse and day of creation that some version of the policy covers.
with

-- orders of a day, method and warehouse share a rule
kinds as (

    select distinct
        account,
        delivery_id,
        warehouse_id,
        created_date
    from intermediate.order_cycle

)

select
    k.account,
    k.delivery_id,
    k.warehouse_id,
    k.created_date,
    p.rule_no,
    p.policy_version,
    p.calendar_version,
    p.cutoff,
    p.handling_days,
    p.stop_event,
    p.unseen_waits,
    d.opens_at_utc,
    d.closes_at_utc,
    d.open_seconds_before
from kinds as k
inner join intermediate.sla_policy as p
    on
        (p.valid_from is null or p.valid_from <= k.created_date)
        and (p.valid_to is null or p.valid_to > k.created_date)
        and (p.account is null or p.account = k.account)
        and (p.delivery_id is null or p.delivery_id = k.delivery_id)
        and (p.warehouse_id is null or p.warehouse_id = k.warehouse_id)
left join intermediate.calendar_day as d
    on
        p.calendar_version = d.calendar_version
        and k.created_date = d.date
-- the most exact rule: a method goes before a warehouse, a warehouse before an account
qualify row_number() over (
    partition by k.account, k.delivery_id, k.warehouse_id, k.created_date
    order by
        (p.delivery_id is not null) desc,
        (p.warehouse_id is not null) desc,
        (p.account is not null) desc,
        p.rule_no
) = 1
