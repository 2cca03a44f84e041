-- Rules of automatic un-boxing that should have fired: too few loose pieces, and cartons are there.
-- Grain: one row per account and rule.
with

-- a rule of 0 pieces is one that was removed
rules as (

    select
        account,
        mastercase_code,
        variant_ext_code,
        variant_limit_quantity,
        mastercase_quantity
    from staging.replenishment_rules
    where
        _deleted_at is null
        and coalesce(mastercase_quantity, 1) <> 0

),

codes as (

    select
        account,
        staging.bare_of(code) as code,
        staging.bare_of(ext_code) as ext_code,
        variant_id,
        product_name
    from intermediate.current_variant

),

by_code as (

    select
        account,
        code,
        min(variant_id) as variant_id
    from codes
    group by account, code

),

by_ext_code as (

    select
        account,
        ext_code,
        min(variant_id) as variant_id
    from codes
    group by account, ext_code

),

-- the page says code in one place and shows the shop's own code in another: the warehouse's is looked for first
resolved as (

    select
        r.*,
        v.variant_id,
        coalesce(c.variant_id, e.variant_id) as carton_variant_id
    from rules as r
    left join by_ext_code as v
        on
            r.account = v.account
            and staging.bare_of(r.variant_ext_code) = v.ext_code
    left join by_code as c
        on
            r.account = c.account
            and staging.bare_of(r.mastercase_code) = c.code
    left join by_ext_code as e
        on
            r.account = e.account
            and staging.bare_of(r.mastercase_code) = e.ext_code

),

nights as (

    select
        r.account,
        r.mastercase_code,
        r.variant_ext_code,
        p.snapshot_date,
        p.on_hand_quantity,
        coalesce(c.on_hand_quantity, 0) as carton_quantity,
        p.on_hand_quantity < r.variant_limit_quantity and coalesce(c.on_hand_quantity, 0) > 0 as is_due
    from resolved as r
    inner join marts.fct_stock_level as p
        on
            r.account = p.account
            and r.variant_id = p.variant_id
    left join marts.fct_stock_level as c
        on
            r.account = c.account
            and r.carton_variant_id = c.variant_id
            and p.snapshot_date = c.snapshot_date

),

latest as (

    select
        account,
        mastercase_code,
        variant_ext_code,
        max(snapshot_date) as snapshot_date,
        arg_max_null(on_hand_quantity, snapshot_date) as on_hand_quantity,
        arg_max_null(carton_quantity, snapshot_date) as carton_quantity,
        arg_max_null(is_due, snapshot_date) as is_due,
        max(snapshot_date) filter (where is_due is not true) as last_fine_date
    from nights
    group by account, mastercase_code, variant_ext_code

),

spells as (

    select
        n.account,
        n.mastercase_code,
        n.variant_ext_code,
        min(n.snapshot_date) as due_since,
        count(*) as nights_due
    from nights as n
    inner join latest as l
        on
            n.account = l.account
            and n.mastercase_code = l.mastercase_code
            and n.variant_ext_code = l.variant_ext_code
            and n.snapshot_date > coalesce(l.last_fine_date, date '0001-01-01')
    where n.is_due
    group by n.account, n.mastercase_code, n.variant_ext_code

),

openings as (

    select
        account,
        variant_id,
        max(moved_at) as last_opened_at
    from marts.fct_stock_movement
    where
        kind = 'transformation'
        and direction = 'out'
    group by account, variant_id

)

select
    r.account,
    r.mastercase_code,
    r.variant_ext_code,
    r.variant_id,
    v.product_name,
    r.carton_variant_id,
    r.variant_limit_quantity,
    r.mastercase_quantity,
    l.snapshot_date,
    l.on_hand_quantity,
    l.carton_quantity,
    case
        when r.variant_id is null or r.carton_variant_id is null then 'unknown_code'
        when l.on_hand_quantity is null or r.variant_limit_quantity is null then 'unknown_stock'
        when l.on_hand_quantity >= r.variant_limit_quantity then 'enough'
        when l.is_due then 'due'
        else 'no_carton'
    end as state,
    s.due_since,
    coalesce(s.nights_due, 0) as nights_due,
    o.last_opened_at
from resolved as r
left join latest as l
    on
        r.account = l.account
        and r.mastercase_code = l.mastercase_code
        and r.variant_ext_code = l.variant_ext_code
left join spells as s
    on
        r.account = s.account
        and r.mastercase_code = s.mastercase_code
        and r.variant_ext_code = s.variant_ext_code
left join openings as o
    on
        r.account = o.account
        and r.carton_variant_id = o.variant_id
left join codes as v
    on
        r.account = v.account
        and r.variant_id = v.variant_id
