-- Whether goods came when they were first promised, document by document.
-- Grain: one row per account and receiving.
with

current_run as (

    select cast(as_of as date) as today
    from meta.current_run

),

stocked as (

    select
        account,
        receiving_id,
        cast(min(moved_at) as date) as first_in_date,
        cast(max(moved_at) as date) as last_in_date,
        cast(sum(quantity + damaged_quantity) as bigint) as stocked_pieces
    from marts.fct_stock_movement
    where
        receiving_id is not null
        and direction = 'in'
        and quantity + damaged_quantity > 0
    group by account, receiving_id

),

-- what is not finished may still come: only its delay so far is known
judged as (

    select
        r.account,
        r.receiving_id,
        r.grn_number,
        r.ext_code,
        r.ext_id,
        r.is_closed,
        r.first_planned_date,
        r.is_first_promise_unsure,
        r.later_planned_dates,
        r.planned_date,
        r.promises,
        s.first_in_date,
        s.last_in_date,
        coalesce(s.stocked_pieces, 0) as stocked_pieces,
        case when r.is_closed then s.last_in_date else c.today end as judged_date,
        case
            when r.first_planned_date is null then 'unknown'
            when coalesce(r.is_closed, false) and s.last_in_date is null then 'nothing_came'
            when coalesce(r.is_closed, false) and s.last_in_date <= r.first_planned_date then 'on_time'
            when coalesce(r.is_closed, false) then 'late'
            when c.today > r.first_planned_date then 'overdue'
            else 'pending'
        end as state
    from marts.fct_receiving as r
    cross join current_run as c
    left join stocked as s
        on
            r.account = s.account
            and r.receiving_id = s.receiving_id

)

select
    account,
    receiving_id,
    grn_number,
    ext_code,
    ext_id,
    is_closed,
    first_planned_date as first_promised_date,
    is_first_promise_unsure,
    later_planned_dates as later_promised_dates,
    planned_date as last_promised_date,
    promises,
    first_in_date,
    last_in_date,
    stocked_pieces,
    state,
    case when state in ('on_time', 'late', 'overdue') then judged_date - first_planned_date end as days_late,
    case when state in ('on_time', 'late', 'overdue') then judged_date - planned_date end as days_late_of_last_promise
from judged
