-- How long stock has been there: FIFO layers by age, each also at the average, so that both tie to the balance.
-- Grain: one row per account, variant, pool and age bucket.
with

settings as (

    select headline_method || '_' || headline_basis as headline
    from marts.dim_valuation_setting

),

current_run as (

    select cast(as_of as date) as today
    from meta.current_run

),

balances as (

    select
        account,
        variant_id,
        pool,
        average_landed_value,
        average_bare_value,
        average_landed_unit_cost,
        average_bare_unit_cost
    from marts.fct_stock_balance
    where valid_to is null

),

layers as (

    select
        l.account,
        l.variant_id,
        l.pool,
        cast(l.received_at as date) as received_date,
        case
            when r.today - received_date <= 30 then 1
            when r.today - received_date <= 60 then 2
            when r.today - received_date <= 90 then 3
            when r.today - received_date <= 180 then 4
            when r.today - received_date <= 365 then 5
            else 6
        end as bucket_no,
        l.quantity_left as quantity,
        l.landed_value,
        l.bare_value
    from marts.fct_stock_layer as l
    cross join current_run as r

),

buckets as (

    select
        account,
        variant_id,
        pool,
        bucket_no,
        cast(sum(quantity) as bigint) as quantity,
        sum(landed_value) as fifo_landed_value,
        sum(bare_value) as fifo_bare_value,
        min(received_date) as oldest_date
    from layers
    group by account, variant_id, pool, bucket_no
    union all
    select
        account,
        variant_id,
        pool,
        0 as bucket_no,
        cast(-sum(quantity) as bigint) as quantity,
        -sum(landed_cost) as fifo_landed_value,
        -sum(bare_cost) as fifo_bare_value,
        null as oldest_date
    from marts.fct_cost_allocation
    where receipt_id is null
    group by account, variant_id, pool

),

averaged as (

    select
        b.*,
        a.average_landed_value as pool_landed_value,
        a.average_bare_value as pool_bare_value,
        cast(a.average_landed_unit_cost * b.quantity as decimal(38, 12)) as landed_part,
        cast(a.average_bare_unit_cost * b.quantity as decimal(38, 12)) as bare_part,
        -- the youngest bucket takes the remainder of the division
        row_number() over (partition by b.account, b.variant_id, b.pool order by b.bucket_no) = 1 as is_youngest
    from buckets as b
    inner join balances as a
        on
            b.account = a.account
            and b.variant_id = a.variant_id
            and b.pool = a.pool

),

valued as (

    select
        account,
        variant_id,
        pool,
        bucket_no,
        quantity,
        fifo_landed_value,
        fifo_bare_value,
        case
            when is_youngest
                then
                    pool_landed_value
                    - coalesce(sum(case when is_youngest then 0 else landed_part end) over whole_pool, 0)
            else landed_part
        end as average_landed_value,
        case
            when is_youngest
                then
                    pool_bare_value
                    - coalesce(sum(case when is_youngest then 0 else bare_part end) over whole_pool, 0)
            else bare_part
        end as average_bare_value,
        oldest_date
    from averaged
    window whole_pool as (partition by account, variant_id, pool)

)

select
    a.account,
    a.variant_id,
    a.pool,
    a.bucket_no,
    case a.bucket_no
        when 0 then 'owed'
        when 1 then '0 to 30 days'
        when 2 then '31 to 60 days'
        when 3 then '61 to 90 days'
        when 4 then '91 to 180 days'
        when 5 then '181 to 365 days'
        else 'over 365 days'
    end as age_bucket,
    v.code,
    v.ext_code,
    v.product_name,
    v.variant_name,
    v.category_path,
    a.oldest_date,
    a.quantity,
    intermediate.headline(
        s.headline, a.fifo_landed_value, a.fifo_bare_value, a.average_landed_value, a.average_bare_value
    ) as value,
    a.fifo_landed_value,
    a.fifo_bare_value,
    a.average_landed_value,
    a.average_bare_value
from valued as a
cross join settings as s
left join intermediate.current_variant as v
    on
        a.account = v.account
        and a.variant_id = v.variant_id
