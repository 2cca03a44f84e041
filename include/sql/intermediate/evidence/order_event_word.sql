-- What the events of webhooks mean for the clock of an order, in the words of order events.
-- Grain: one row per type of event that means anything; a change of the shipment means what shipment_status_map says.
select
    source_type,
    event_type,
    lifting_type
from (
    values
    ('OrderCreated', 'created_on_hold', 'released'),
    ('OrderUpdated', 'hold_set', 'released'),
    ('OrderPushedToExpedition', 'pushed', null),
    ('OrderPacked', 'packed', null),
    ('OrderSent', 'sent', null),
    ('OrderDelivered', 'delivered', null),
    ('OrderReturned', 'returned', null),
    ('OrderCanceled', 'cancelled', null),
    ('OrderNotSent', 'not_sent', null),
    ('OrderRestored', 'restored', null),
    ('OrderStatusChangedToWaitingForStorage', 'waiting_for_storage', null),
    ('OrderStatusChangedToCreated', 'sent_back', null),
    ('OrderDeliveryChanged', 'shipment_changed', null)
) as w (source_type, event_type, lifting_type)
