-- Receivings: the document, what was promised, and what the warehouse noted.
-- Grain: one row per account and receiving.
with

current_run as (

    select as_of
    from intermediate.run_now

),

receivings as (

    select
        account,
        receiving_id,
        uuid,
        ext_id,
        ext_code,
        is_closed,
        extra_cost,
        has_note,
        has_receiving_note,
        planned_date,
        received_date
    from staging.receivings
    cross join current_run
    where
        _deleted_at is null
        -- goods that came later than now have not come
        and coalesce(received_date <= cast(as_of as date), true)

),

-- a run dated in the past knows no later versions
history as (

    select
        h.account,
        h.receiving_id,
        h._version as version_no,
        h.planned_date,
        coalesce(h._in_first_load, false) as is_first_load,
        lag(h.planned_date) over (
            partition by h.account, h.receiving_id
            order by h._version
        ) as former_date
    from staging.receivings_history as h
    cross join current_run as r
    where h._valid_from <= r.as_of

),

promises as (

    select
        account,
        receiving_id,
        count(*) as promises,
        arg_min_null(planned_date, version_no) as first_planned_date,
        bool_or(version_no = 1 and is_first_load) as is_first_of_load,
        list(planned_date order by version_no) as planned_dates
    from history
    where planned_date is distinct from former_date and planned_date is not null
    group by account, receiving_id

),

units as (

    select
        account,
        receiving_id,
        count(*) filter (where kind = 'package') as packages,
        count(*) filter (where kind = 'delivery_unit') as delivery_units,
        count(*) filter (where kind = 'delivery_unit' and is_closed is not true) as open_delivery_units
    from staging.receiving_delivery_units
    where _deleted_at is null
    group by account, receiving_id

),

notes as (

    select
        n.account,
        n.receiving_id,
        count(*) as notes,
        min(n.created_at) as first_note_at,
        max(n.created_at) as last_note_at
    from staging.receiving_notes as n
    cross join current_run as r
    where
        n._deleted_at is null
        and coalesce(n.created_at <= r.as_of, true)
    group by n.account, n.receiving_id

)

select
    r.account,
    r.receiving_id,
    r.uuid,
    r.ext_id,
    r.ext_code,
    coalesce(nullif(staging.bare_of(r.ext_code), ''), nullif(staging.bare_of(r.ext_id), '')) as grn_number,
    r.is_closed,
    r.extra_cost,
    coalesce(p.first_planned_date, r.planned_date) as first_planned_date,
    r.planned_date,
    coalesce(p.promises, if(r.planned_date is null, 0, 1)) as promises,
    nullif(array_to_string(p.planned_dates[2:], ', '), '') as later_planned_dates,
    coalesce(p.is_first_of_load, true) as is_first_promise_unsure,
    r.received_date,
    coalesce(u.packages, 0) as packages,
    coalesce(u.delivery_units, 0) as delivery_units,
    coalesce(u.open_delivery_units, 0) as open_delivery_units,
    coalesce(n.notes, 0) + if(r.has_receiving_note, 1, 0) as receiving_note_count,
    n.first_note_at,
    n.last_note_at,
    r.has_note
from receivings as r
left join promises as p
    on
        r.account = p.account
        and r.receiving_id = p.receiving_id
left join units as u
    on
        r.account = u.account
        and r.receiving_id = u.receiving_id
left join notes as n
    on
        r.account = n.account
        and r.receiving_id = n.receiving_id
