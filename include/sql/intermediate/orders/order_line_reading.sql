-- What a line means whose code does not always mean one variant that is kept in stock.
-- Grain: one row per order and line that needs a look; few lines do.
with

open_lines as (

    select
        order_no,
        line_no,
        account,
        order_id,
        code,
        lower(staging.bare_of(code)) as spelling
    from intermediate.order_line_open

),

items as (

    select distinct
        l.order_no,
        i.code,
        i.variant_id
    from intermediate.order_item as i
    inner join (
        select distinct
            order_no,
            account,
            order_id
        from open_lines
    ) as l
        on
            i.account = l.account
            and i.order_id = l.order_id

),

moved as (

    select distinct
        m.order_no,
        m.variant_id
    from intermediate.order_movement as m
    inner join (select distinct order_no from open_lines) as l
        on m.order_no = l.order_no
    where m.direction = 'out'

),

named as (

    select
        l.order_no,
        l.line_no,
        any_value(i.variant_id) as variant_id
    from open_lines as l
    inner join items as i
        on
            l.order_no = i.order_no
            and l.code = i.code
    group by l.order_no, l.line_no
    having count(distinct i.variant_id) = 1

),

witnessed as (

    select
        b.order_no,
        b.line_no,
        count(*) as readings,
        any_value(b.variant_id) as variant_id,
        count(*) filter (where b.is_taken) as taken_readings,
        any_value(b.variant_id) filter (where b.is_taken) as taken_variant_id,
        count(*) filter (where b.is_moved) as moved_readings,
        any_value(b.variant_id) filter (where b.is_moved) as moved_variant_id
    from (
        select
            *,
            (order_no, variant_id) in (select (order_no, variant_id) from items) as is_taken,
            (order_no, variant_id) in (select (order_no, variant_id) from moved) as is_moved
        from intermediate.order_line_candidate
    ) as b
    group by b.order_no, b.line_no

),

read as (

    select
        l.order_no,
        l.line_no,
        l.account,
        case
            when w.taken_readings = 1 then w.taken_variant_id
            when n.variant_id is not null then n.variant_id
            when w.readings = 1 then w.variant_id
            when w.moved_readings = 1 then w.moved_variant_id
        end as variant_id,
        case
            when w.readings = 1 and (w.taken_readings = 1 or n.variant_id is null) then 'code'
            when w.taken_readings = 1 or n.variant_id is not null then 'stock_item'
            when w.moved_readings = 1 then 'movement'
        end as variant_evidence,
        coalesce(w.taken_readings, 0) = 0 and n.variant_id is null as is_not_taken,
        case
            when l.code is null or l.code = '' then 'the line has no code'
            when w.readings > 1 then 'the code was given to another variant about then'
            when p.spelling is not null then 'no variant had the code then'
            else 'no variant has the code'
        end as unknown_reason
    from open_lines as l
    left join witnessed as w
        on
            l.order_no = w.order_no
            and l.line_no = w.line_no
    left join named as n
        on
            l.order_no = n.order_no
            and l.line_no = n.line_no
    left join (
        select distinct
            account,
            spelling
        from intermediate.code_owner
    ) as p
        on
            l.account = p.account
            and l.spelling = p.spelling

)

select
    r.order_no,
    r.line_no,
    r.variant_id,
    r.variant_evidence,
    case when r.variant_id is null then r.unknown_reason end as unknown_reason,
    r.variant_id is null or (s.variant_id is null and r.is_not_taken) as is_perhaps_set
from read as r
left join intermediate.moved_variant as s
    on
        r.account = s.account
        and r.variant_id = s.variant_id
