-- Stock and its value at the end of every local day, also of days on which nothing moved.
-- Grain: one row per account and local day from the first movement to the day of the run.
select
    account,
    date,
    sum(columns('(quantity|value|value_nrv)$')) as '\0'
from intermediate.stock_value_day
group by account, date
