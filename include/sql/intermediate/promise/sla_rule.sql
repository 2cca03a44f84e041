-- The rule of the policy that orders of a day were promised, by method.
-- Grain: one row per account, delivery method and day of creation that some version of the policy covers.
with

policy as (

    select
        rule_no,
        valid_from,
        valid_to,
        account,
        delivery_id
    from intermediate.sla_policy

),

-- orders of a day and method share a rule
kinds as (

    select distinct
        account,
        delivery_id,
        created_date
    from intermediate.order_key

)

select
    k.account,
    k.delivery_id,
    k.created_date,
    p.rule_no
from kinds as k
inner join policy as p
    on
        (p.valid_from is null or p.valid_from <= k.created_date)
        and (p.valid_to is null or p.valid_to > k.created_date)
        and (p.account is null or p.account = k.account)
        and (p.delivery_id is null or p.delivery_id = k.delivery_id)
-- the most exact rule: method and account, then method, then account
qualify row_number() over (
    partition by k.account, k.delivery_id, k.created_date
    order by (p.delivery_id is not null) desc, (p.account is not null) desc, p.rule_no
) = 1
