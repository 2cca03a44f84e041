-- Why SHOPLINE's fulfillment orders are held.
-- Grain: one row per account, fulfillment order and hold.
with

holds as (

    select
        account,
        fulfillment_order_id,
        hold_no,
        reason
    from staging.shopline_fulfillment_order_holds
    where _deleted_at is null

)

select
    account,
    fulfillment_order_id,
    hold_no,
    reason
from holds
