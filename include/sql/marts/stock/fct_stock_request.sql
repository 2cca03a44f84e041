-- Pieces that waiting orders lacked, and from when until when they did.
-- Grain: one row per account, request and version of it.
with

current_run as (

    select
        as_of,
        zone
    from intermediate.run_now

),

-- a run dated in the past knows no later versions
history as (

    select
        h.account,
        h.request_id,
        h._version as version_no,
        h.variant_id,
        h.quantity,
        staging.local_of(h.created_text, r.zone) as requested_at,
        h._valid_from as valid_from,
        case when h._valid_to <= r.as_of then h._valid_to end as valid_to
    from staging.stock_requests_history as h
    cross join current_run as r
    where
        h._valid_from <= r.as_of
        and coalesce(staging.local_of(h.created_text, r.zone) <= r.as_of, true)

)

select
    account,
    request_id,
    version_no,
    variant_id,
    quantity,
    requested_at,
    valid_from,
    valid_to,
    valid_to is null as is_open
from history
