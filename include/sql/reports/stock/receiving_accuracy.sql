-- Was what was announced received, whole, and how soon was it in stock.
-- Grain: one row per account and receiving.
with

lines as (

    select
        account,
        receiving_id,
        announced_quantity,
        received_quantity,
        damaged_quantity,
        planned_date,
        received_date,
        is_closed
    from marts.fct_receiving_line

),

movements as (

    select
        account,
        receiving_id,
        moved_at,
        quantity + damaged_quantity as pieces
    from marts.fct_stock_movement
    where
        receiving_id is not null
        and direction = 'in'

),

days as (

    select
        date,
        is_working_day,
        count(*) filter (where is_working_day) over (order by date) as working_days_through
    from marts.dim_date

),

receivings as (

    select
        account,
        receiving_id,
        any_value(planned_date) as planned_date,
        any_value(received_date) as received_date,
        bool_and(coalesce(is_closed, false)) as is_closed,
        count(*) as lines,
        -- a line is right when every announced piece came whole and nothing else did
        count(*) filter (where received_quantity = announced_quantity and coalesce(damaged_quantity, 0) = 0) as right_lines,
        count(*) filter (where received_quantity is null) as uncounted_lines,
        coalesce(sum(announced_quantity), 0) as announced_pieces,
        coalesce(sum(announced_quantity) filter (where received_quantity is not null), 0) as announced_pieces_counted,
        coalesce(sum(received_quantity), 0) as received_pieces,
        coalesce(sum(damaged_quantity), 0) as damaged_pieces
    from lines
    group by account, receiving_id

),

stocked as (

    select
        account,
        receiving_id,
        min(moved_at) as first_stocked_at,
        max(moved_at) as last_stocked_at,
        sum(pieces) as stocked_pieces
    from movements
    group by account, receiving_id

)

select
    r.account,
    r.receiving_id,
    r.planned_date,
    r.received_date,
    r.is_closed,
    r.lines,
    r.right_lines,
    r.uncounted_lines,
    r.announced_pieces,
    r.received_pieces,
    r.damaged_pieces,
    coalesce(s.stocked_pieces, 0) as stocked_pieces,
    r.received_pieces / nullif(r.announced_pieces_counted, 0) as receiving_accuracy,
    r.damaged_pieces / nullif(r.received_pieces + r.damaged_pieces, 0) as damaged_share,
    s.first_stocked_at,
    s.last_stocked_at,
    l.working_days_through - p.working_days_through as dock_to_stock_days
from receivings as r
left join stocked as s
    on
        r.account = s.account
        and r.receiving_id = s.receiving_id
left join days as p
    on r.planned_date = p.date
left join days as l
    on cast(s.last_stocked_at as date) = l.date
