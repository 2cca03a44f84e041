-- What an order leaves: the value of its goods less their final cost, in the reporting currency.
-- Grain: one row per account and order that had pieces out.
with

orders as (

    select
        account,
        order_id,
        number,
        remote_number,
        created_date,
        status,
        stage,
        delivery_id,
        currency,
        goods_value,
        goods_value_reporting,
        rate_date
    from marts.fct_order

),

settings as (

    select
        reporting_currency,
        vat_rate,
        vat_label
    from marts.dim_money_setting

),

costs as (

    select
        account,
        order_id,
        dispatched_date,
        dispatched_pieces,
        returned_pieces,
        missing_cost_pieces,
        dispatched_cost,
        returned_cost
    from intermediate.order_cost

),

judged as (

    select
        c.*,
        o.* exclude (account, order_id),
        s.reporting_currency,
        s.vat_label,
        intermediate.vat_free(o.goods_value_reporting, s.vat_rate) as goods_value_margin,
        case
            when o.status = 'cancelled' then 'cancelled'
            when c.dispatched_pieces <= c.returned_pieces then 'all_back'
            when o.stage not in ('carrier', 'closed') then 'not_sent'
            when o.goods_value is null then 'no_value'
            when o.goods_value_reporting is null or c.dispatched_cost is null or c.returned_cost is null
                then 'no_rate'
            when c.missing_cost_pieces > 0 then 'missing_cost'
            else 'known'
        end as margin_state
    from costs as c
    inner join orders as o
        on
            c.account = o.account
            and c.order_id = o.order_id
    cross join settings as s

)

select
    account,
    order_id,
    number,
    remote_number,
    created_date,
    dispatched_date,
    status,
    delivery_id,
    currency,
    goods_value,
    rate_date,
    reporting_currency,
    vat_label,
    goods_value_margin as goods_value_reporting,
    dispatched_pieces,
    returned_pieces,
    missing_cost_pieces,
    dispatched_cost,
    returned_cost,
    dispatched_cost - returned_cost as cost_of_goods,
    margin_state,
    case when margin_state = 'known' then goods_value_margin - (dispatched_cost - returned_cost) end as margin,
    case
        when margin_state = 'known'
            then cast(margin as double) / nullif(cast(goods_value_margin as double), 0)
    end as margin_share
from judged
