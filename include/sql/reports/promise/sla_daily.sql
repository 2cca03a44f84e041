-- On-time dispatch by the day orders were due.
-- Grain: one row per account and local due date.
with

counted as (

    select
        account,
        due_date,
        sum(orders) as orders,
        sum(on_time) as on_time,
        sum(late) as late,
        sum(overdue) as overdue,
        sum(pending) as pending,
        sum(excluded) as excluded,
        sum(unknown) as unknown,
        sum(perhaps_on_time) as perhaps_on_time,
        sum(perhaps_late) as perhaps_late,
        sum(surely_on_time) as surely_on_time,
        sum(surely_late) as surely_late
    from intermediate.sla_cohort
    where due_date is not null
    group by account, due_date

),

-- an order whose due day is in doubt may belong to any day between: each day's range has to hold without it and with it
doubts as (

    select
        account,
        due_date,
        count(*) filter (where could_be_on_time) as on_time_there,
        count(*) filter (where could_be_late) as late_there,
        -- in doubt on the day it is shown: the worst reading counts it, whatever is known against it
        count(*) filter (where is_shown_day and not could_be_late and not is_claimed) as shown_there
    from intermediate.sla_undecided
    group by account, due_date

)

select
    c.account,
    c.due_date,
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
    case
        when surely_on_time + surely_late + coalesce(late_there + shown_there, 0) > 0
            then surely_on_time / (surely_on_time + surely_late + coalesce(late_there + shown_there, 0))
        when on_time_there > 0 then 1
    end as on_time_rate_sure,
    -- the best reading: what can have been on time was, what need not count does not
    case
        when surely_on_time + surely_late + coalesce(on_time_there, 0) > 0
            then (surely_on_time + coalesce(on_time_there, 0)) / (surely_on_time + surely_late + coalesce(on_time_there, 0))
        when late_there > 0 then 0
    end as on_time_rate_possible
from counted as c
left join doubts as d
    on
        c.account = d.account
        and c.due_date = d.due_date
