-- How long stock has been there: FIFO layers by age, each also at the average, so that both tie to the balance.
-- Grain: one row per account, variant, pool and age bucket.
with

layers as (

    select
        account,
        variant_id,
        pool,
        cast(received_at as date) as received_date,
        quantity_left as quantity,
        landed_value,
        bare_value
    from marts.fct_stock_layer

),

owed as (

    select
        account,
        variant_id,
        pool,
        -sum(quantity) as quantity,
        -sum(landed_cost) as landed_value,
        -sum(bare_cost) as bare_value
    from marts.fct_cost_allocation
    where receipt_id is null
    group by account, variant_id, pool

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

variants as (

    select
        account,
        variant_id,
        code,
        ext_code,
        product_name,
        variant_name,
        category_path
    from marts.dim_variant
    where is_current

),

settings as (

    select
        headline_method,
        headline_basis
    from marts.dim_valuation_setting

),

current_run as (

    select cast(as_of as date) as today
    from meta.current_run

),

aged as (

    select
        l.*,
        case
            when r.today - l.received_date <= 30 then 1
            when r.today - l.received_date <= 60 then 2
            when r.today - l.received_date <= 90 then 3
            when r.today - l.received_date <= 180 then 4
            when r.today - l.received_date <= 365 then 5
            else 6
        end as bucket_no
    from layers as l
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
    from aged
    group by account, variant_id, pool, bucket_no
    union all
    select
        account,
        variant_id,
        pool,
        0 as bucket_no,
        cast(quantity as bigint) as quantity,
        landed_value as fifo_landed_value,
        bare_value as fifo_bare_value,
        null as oldest_date
    from owed

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
    case s.headline_method || '_' || s.headline_basis
        when 'fifo_landed' then a.fifo_landed_value
        when 'fifo_bare' then a.fifo_bare_value
        when 'average_landed' then a.average_landed_value
        else a.average_bare_value
    end as value,
    a.fifo_landed_value,
    a.fifo_bare_value,
    a.average_landed_value,
    a.average_bare_value
from valued as a
cross join settings as s
left join variants as v
    on
        a.account = v.account
        and a.variant_id = v.variant_id
