-- What moved stock in a month, from opening to closing, of each account as a whole and pool: the sum of its categories.
-- Grain: one row per account, month and pool that had stock or moved.
select
    account,
    month,
    pool,
    cast(sum(columns('_quantity$')) as bigint) as '\0',
    sum(columns('_(landed|bare)_')) as '\0',
    sum(columns('_value$')) as '\0'
from reports.stock_movements_monthly_category
group by account, month, pool
