-- Every change of a price that nights saw: what is asked, what the catalogue says, what suppliers are paid.
-- Grain: one row per account, subject and version.
select
    p.account,
    p.subject,
    p.version_no,
    p.kind,
    p.price_id,
    p.market_type,
    p.market_code,
    p.receiving_id,
    p.line_no,
    p.variant_id,
    v.code,
    v.ext_code,
    coalesce(v.product_name, p.title) as product_name,
    v.category_path,
    coalesce(p.currency, if(p.kind = 'asked', null, s.valuation_currency)) as currency,
    p.previous_price,
    p.price,
    cast(p.price - p.previous_price as decimal(38, 12)) as difference,
    p.change as change_share,
    p.valid_from,
    cast(p.valid_from as date) as changed_date
from intermediate.price_change as p
cross join marts.dim_valuation_setting as s
left join intermediate.current_variant as v
    on
        p.account = v.account
        and p.variant_id = v.variant_id
