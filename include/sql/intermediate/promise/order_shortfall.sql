-- What did not leave of orders that were due and are not in full: pieces and lines, as far as they can be counted.
-- Grain: one row per account and order, by its latest cycle; where all is in full nothing is missing.
with

variants as (

    select
        order_no,
        cycle_no,
        variant_id,
        lines,
        ordered_pieces,
        issued_pieces
    from intermediate.order_variant
    where ordered_pieces is not null

),

doubtful as (

    select
        f.account,
        f.order_id,
        f.cycle_no,
        b.order_no
    from intermediate.order_base as b
    inner join marts.fct_fulfillment as f
        on
            b.account = f.account
            and b.order_id = f.order_id
    where
        f.is_latest_cycle
        and f.due_date is not null
        and f.sla_state not in ('excluded', 'pending')
        and f.is_in_full is distinct from true

),

put_back as (

    select
        order_no,
        cycle_no,
        variant_id,
        sum(pieces) as pieces
    from intermediate.order_return
    where is_put_back
    group by order_no, cycle_no, variant_id

),

-- what a set's line holds is no line, and a line in quarantine is none of these
not_countable as (

    select order_no
    from intermediate.order_line_meaning
    where variant_id is null
    union
    select order_no
    from intermediate.order_gap

),

-- lines of one variant share what left of it and was not put back
doubtful_orders as (

    select
        d.order_no,
        bool_or(v.variant_id is null or n.order_no is not null) as has_unknown_variant,
        sum(greatest(v.ordered_pieces - greatest(coalesce(v.issued_pieces, 0) - coalesce(b.pieces, 0), 0), 0))
            as missing_pieces,
        coalesce(
            sum(v.lines) filter (where coalesce(v.issued_pieces, 0) - coalesce(b.pieces, 0) < v.ordered_pieces), 0
        ) as incomplete_lines
    from variants as v
    inner join doubtful as d
        on
            v.order_no = d.order_no
            and v.cycle_no = d.cycle_no
    left join put_back as b
        on
            v.order_no = b.order_no
            and v.cycle_no = b.cycle_no
            and v.variant_id = b.variant_id
    left join not_countable as n
        on v.order_no = n.order_no
    group by d.order_no

),

uncounted_lines as (

    select
        d.order_no,
        count(*) as lines,
        sum(l.quantity) as pieces
    from intermediate.order_line_as_sent as l
    inner join doubtful as d
        on
            l.account = d.account
            and l.order_id = d.order_id
    where d.order_no in (select order_no from not_countable)
    group by d.order_no

)

select
    d.account,
    d.order_id,
    -- what no line names, and orders without lines, cannot be counted
    o.has_unknown_variant is distinct from false as is_uncountable,
    coalesce(u.lines, 0) as uncountable_lines,
    cast(coalesce(u.pieces, 0) as bigint) as uncountable_pieces,
    cast(case when is_uncountable then 0 else o.missing_pieces end as bigint) as missing_pieces,
    cast(case when is_uncountable then 0 else o.incomplete_lines end as bigint) as incomplete_lines
from doubtful as d
left join doubtful_orders as o
    on d.order_no = o.order_no
left join uncounted_lines as u
    on d.order_no = u.order_no
