-- Which variant a warehouse code names.
-- Grain: one row per account and code.
-- a code that was given to a later variant names the one still in the catalogue, else the latest
select
    account,
    code,
    arg_max(variant_id, (_deleted_at is null, variant_id)) as variant_id
from staging.variants
where code is not null
group by account, code
