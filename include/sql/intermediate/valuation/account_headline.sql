-- The method that an account's stock is shown by, and what its damaged pieces are worth: the setting, account by account.
-- Grain: one row per account with stock, as it is known now or was known once.
with

settings as (

    select
        headline_method || '_' || headline_basis as headline,
        nrv_factor
    from marts.dim_valuation_setting

),

accounts as (

    select account
    from marts.fct_stock_balance
    union
    select account
    from marts.fct_stock_balance_version
    union
    select account
    from marts.fct_stock_revision

)

select
    a.account,
    s.headline,
    s.nrv_factor
from accounts as a
cross join settings as s
