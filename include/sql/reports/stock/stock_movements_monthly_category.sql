-- What moved stock in a month, from opening to closing, of each category and pool.
-- Grain: one row per account, month, category and pool that had stock or moved.
select
    account,
    month,
    category_path,
    pool,
    cast(sum(columns('_quantity$')) as bigint) as '\0',
    sum(columns('_(landed|bare)_')) as '\0',
    sum(columns('_value$')) as '\0'
from reports.stock_movements_monthly
group by account, month, category_path, pool
