-- On-time dispatch by the day orders were due.
-- Grain: one row per account and local due date.
with

fulfillments as (

    select
        account,
        due_date,
        sla_state,
        could_be_on_time,
        could_be_late
    from marts.fct_fulfillment
    where
        is_latest_cycle
        and due_date is not null

),

counted as (

    select
        account,
        due_date,
        count(*) as orders,
        count(*) filter (where sla_state = 'on_time') as on_time,
        count(*) filter (where sla_state = 'late') as late,
        count(*) filter (where sla_state = 'overdue') as overdue,
        count(*) filter (where sla_state = 'pending') as pending,
        count(*) filter (where sla_state = 'excluded') as excluded,
        count(*) filter (where sla_state = 'unknown') as unknown,
        count(*) filter (where sla_state = 'unknown' and could_be_on_time) as perhaps_on_time,
        count(*) filter (where sla_state = 'unknown' and could_be_late) as perhaps_late
    from fulfillments
    group by account, due_date

)

select
    account,
    due_date,
    orders,
    on_time,
    late,
    overdue,
    pending,
    excluded,
    unknown,
    perhaps_on_time,
    perhaps_late,
    on_time / nullif(on_time + late + overdue, 0) as on_time_rate,
    -- the worst reading: every order in doubt was late
    on_time / nullif(on_time + late + overdue + unknown, 0) as on_time_rate_sure,
    -- the best reading: what can have been on time was, what need not count does not
    (on_time + perhaps_on_time) / nullif(on_time + late + overdue + perhaps_on_time, 0) as on_time_rate_possible
from counted
