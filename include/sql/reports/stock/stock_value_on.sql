-- Stock and its value at the end of a local day.
-- Grain: one row per account and variant that has moved by then.
select *
from intermediate.stock_value_at(day, cast(null as date))
