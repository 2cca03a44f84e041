-- Did an order leave on time: milestones, promise and state, each cycle of an order by itself.
-- Grain: one row per account, order and cycle.
select
    account,
    order_id,
    cycle_no,
    is_latest_cycle,
    delivery_id,
    rule_no,
    policy_version,
    calendar_version,
    stop_event,
    created_at_utc,
    released_after_utc,
    released_at_utc,
    released_evidence,
    stock_ready_after_utc,
    stock_ready_at_utc,
    stock_ready_evidence,
    pushed_after_utc,
    pushed_at_utc,
    pushed_evidence,
    first_stock_out_at_utc,
    stock_out_after_utc,
    stock_out_at_utc,
    case when stock_out_at_utc is not null then 'movement' end as stock_out_evidence,
    packed_after_utc,
    packed_at_utc,
    packed_evidence,
    sent_after_utc,
    sent_at_utc,
    sent_evidence,
    delivered_after_utc,
    delivered_at_utc,
    delivered_evidence,
    returned_after_utc,
    returned_at_utc,
    returned_evidence,
    cancelled_after_utc,
    cancelled_at_utc,
    cancelled_evidence,
    restored_after_utc,
    restored_at_utc,
    restored_evidence,
    problem_began_after_utc,
    problem_began_at_utc,
    problem_ended_after_utc,
    problem_ended_at_utc,
    -- the wait ends where the goods left
    case
        when is_left_early then least(eligible_after_utc, greatest(dispatch_after_utc, created_at_utc))
        else eligible_after_utc
    end as eligible_after_utc,
    case when is_left_early then greatest(dispatch_at_utc, created_at_utc) else eligible_at_utc end
        as eligible_at_utc,
    is_left_early,
    eligible_evidence,
    not_eligible_reason,
    due_after_utc,
    due_after_date,
    due_at_utc,
    due_date,
    dispatch_after_utc,
    dispatch_at_utc,
    dispatch_evidence,
    is_dispatch_missing,
    sla_state,
    could_be_on_time,
    could_be_late,
    overdue_working_days,
    click_to_ship_hours,
    click_to_ship_business_hours,
    warehouse_hours,
    warehouse_business_hours,
    waiting_hours,
    waiting_business_hours,
    late_business_hours,
    extra_pieces,
    later_pieces,
    unknown_reason,
    is_in_full,
    case when sla_state = 'on_time' then is_in_full when sla_state in ('late', 'overdue') then false end as is_otif,
    case
        when sla_state in ('late', 'overdue') then false
        when sla_state = 'on_time'
            then
                is_in_full
                and problem_began_at_utc is null
                and not_sent_at_utc is null
                and coalesce(damaged_in_at_utc > dispatch_at_utc + interval 30 days, true)
    end as is_perfect
from intermediate.sla_duration
