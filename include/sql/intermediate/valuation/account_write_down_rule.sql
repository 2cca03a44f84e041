-- The rules by which an account's stock is written down: those of the settings, account by account.
-- Grain: one row per account with stock and rule.
select
    a.account,
    r.rule_no,
    r.valid_from,
    r.valid_to,
    r.rule,
    r.applies_to,
    r.days,
    r.factor
from intermediate.account_headline as a
cross join marts.dim_write_down_rule as r
