-- stock_value_daily by category: sums of it are its figures, for charts that are filtered by category.
-- Grain: one row per account, category and local day from the category's first movement to the day of the run.
select
    account,
    category_path,
    date,
    quantity,
    stock_value,
    damaged_value,
    damaged_value_nrv,
    fifo_landed_value,
    fifo_bare_value,
    average_landed_value,
    average_bare_value
from intermediate.stock_value_day
