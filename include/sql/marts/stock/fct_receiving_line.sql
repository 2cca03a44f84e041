-- Announced and counted goods-in, with each line's share of the receiving's extra cost.
-- Grain: one row per account, receiving and line.
with

lines as (

    select
        account,
        receiving_id,
        line_no,
        variant_id,
        code,
        ext_code,
        price_per_unit,
        quantity,
        received_quantity,
        damaged_quantity,
        photo_count
    from staging.receiving_lines
    where _deleted_at is null

),

receivings as (

    select
        account,
        receiving_id,
        ext_id,
        ext_code,
        grn_number,
        is_closed,
        extra_cost,
        first_planned_date,
        planned_date,
        received_date,
        has_note,
        receiving_note_count
    from marts.fct_receiving

),

joined as (

    select
        l.*,
        r.is_closed,
        coalesce(r.extra_cost, 0) as extra_cost,
        r.ext_id as receiving_ext_id,
        r.ext_code as receiving_ext_code,
        r.grn_number,
        r.first_planned_date,
        r.planned_date,
        r.received_date,
        r.has_note,
        r.receiving_note_count,
        -- counted pieces bear the cost; before anything was counted the announced ones do
        case
            when bool_or(l.received_quantity is not null) over announced
                then coalesce(l.received_quantity, 0) + coalesce(l.damaged_quantity, 0)
            else coalesce(l.quantity, 0)
        end as pieces
    from lines as l
    inner join receivings as r
        on
            l.account = r.account
            and l.receiving_id = r.receiving_id
    window announced as (partition by l.account, l.receiving_id)

),

weighed as (

    select
        *,
        -- millionths, so that the division below is one of whole numbers
        cast(price_per_unit * 1000000 as bigint) * cast(greatest(pieces, 0) as hugeint) as value_weight,
        cast(greatest(pieces, 0) as hugeint) as piece_weight,
        line_no = max(line_no) over (partition by account, receiving_id) as is_last_line
    from joined

),

chosen as (

    select
        *,
        case
            -- by value only where that of all pieces is known
            when
                not bool_or(pieces > 0 and coalesce(price_per_unit < 0, true)) over weighing
                and sum(value_weight) over weighing > 0
                then coalesce(value_weight, 0)
            when sum(piece_weight) over weighing > 0 then piece_weight
            else 1
        end as weight
    from weighed
    window weighing as (partition by account, receiving_id)

),

shared as (

    select
        *,
        case
            -- beyond these sizes the product leaves 38 digits
            when abs(extra_cost) < 1000000000 and sum(weight) over sharing < 10000000000000000000000
                then
                    cast(
                        (cast(extra_cost * 1000000 as hugeint) * cast(weight as hugeint))
                        // cast(sum(weight) over sharing as hugeint) as decimal(30, 0)
                    ) * cast(0.000001 as decimal(6, 6))
            else 0
        end as rounded_share
    from chosen
    window sharing as (partition by account, receiving_id)

)

select
    account,
    receiving_id,
    line_no,
    variant_id,
    code,
    ext_code,
    price_per_unit,
    quantity as announced_quantity,
    received_quantity,
    damaged_quantity,
    cast(
        case
            when is_last_line
                then
                    -- 38 digits are not enough for the scale of both: each is cast first
                    cast(extra_cost as decimal(38, 12)) - cast(
                        sum(case when is_last_line then 0 else rounded_share end)
                            over (partition by account, receiving_id)
                        as decimal(38, 12)
                    )
            else cast(rounded_share as decimal(38, 12))
        end as decimal(38, 12)
    ) as extra_cost_share,
    planned_date,
    received_date,
    is_closed,
    grn_number,
    receiving_ext_code,
    receiving_ext_id,
    first_planned_date,
    photo_count,
    has_note,
    receiving_note_count
from shared
