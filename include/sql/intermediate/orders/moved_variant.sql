-- Variants that ever moved: a set has a code of its own and never moves itself.
-- Grain: one row per account and variant.
select distinct
    account,
    variant_id
from staging.movements
where _deleted_at is null
