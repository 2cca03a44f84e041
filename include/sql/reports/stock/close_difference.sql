-- What was signed of the stock at the end of a closed month and what is known of it now, where the two differ.
-- Grain: one row per close in force, variant and pool with a difference.
with

closes as (

    select
        close_id,
        account,
        month,
        sequence,
        last_day
    from intermediate.closed_month

),

sides as (

    select
        l.close_id,
        l.variant_id,
        l.pool,
        l.closing_quantity as quantity_signed,
        columns('^(\w+)_closing$') as '\1_signed',
        l.closing_value as value_signed
    from marts.fct_period_close_line as l
    semi join closes as c on l.close_id = c.close_id
    union all by name
    select
        c.close_id,
        b.variant_id,
        b.pool,
        b.quantity as quantity_now,
        columns('^(\w+_(landed|bare))_value$') as '\1_now',
        b.headline_value as value_now
    from intermediate.stock_balance as b
    inner join closes as c on b.account = c.account
    where
        b.valid_from <= c.last_day
        and (b.valid_to is null or b.valid_to > c.last_day)

),

both_sides as (

    select
        close_id,
        variant_id,
        pool,
        cast(coalesce(sum(columns('^quantity_')), 0) as bigint) as '\0',
        coalesce(sum(columns('_(landed|bare)_(signed|now)$')), 0) as '\0',
        coalesce(sum(columns('^value_')), 0) as '\0'
    from sides
    group by close_id, variant_id, pool

)

select
    c.close_id,
    c.account,
    c.month,
    c.sequence,
    s.variant_id,
    s.pool,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    s.quantity_signed,
    s.quantity_now,
    s.quantity_now - s.quantity_signed as quantity_difference,
    s.value_signed,
    s.value_now,
    s.value_now - s.value_signed as value_difference,
    s.fifo_landed_signed,
    s.fifo_landed_now,
    s.fifo_landed_now - s.fifo_landed_signed as fifo_landed_difference,
    s.fifo_bare_signed,
    s.fifo_bare_now,
    s.fifo_bare_now - s.fifo_bare_signed as fifo_bare_difference,
    s.average_landed_signed,
    s.average_landed_now,
    s.average_landed_now - s.average_landed_signed as average_landed_difference,
    s.average_bare_signed,
    s.average_bare_now,
    s.average_bare_now - s.average_bare_signed as average_bare_difference
from both_sides as s
inner join closes as c on s.close_id = c.close_id
left join intermediate.current_variant as v
    on
        c.account = v.account
        and s.variant_id = v.variant_id
where
    s.quantity_now <> s.quantity_signed
    or s.value_now <> s.value_signed
    or s.fifo_landed_now <> s.fifo_landed_signed
    or s.fifo_bare_now <> s.fifo_bare_signed
    or s.average_landed_now <> s.average_landed_signed
    or s.average_bare_now <> s.average_bare_signed
