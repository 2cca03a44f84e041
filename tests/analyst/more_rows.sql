-- What the first night of the small shop has none of, so that every figure is asked for something: a copy of its
-- published file gets these rows. Metrics and the SQL beside them read the same rows.
insert into reports.problem_orders (account, order_id, created_date, delivery_name, problem_source, problem_kind, is_open, is_answered)
values
    ('main', 'P1', date '2025-11-03', 'Box', 'address', 'problem', true, false),
    ('main', 'P2', date '2025-11-04', 'Box', 'stock', 'problem', true, true),
    ('main', 'P3', date '2025-11-05', 'Kurýr večer', 'stock', 'postponed', false, null),
    ('main', 'P3', date '2025-11-05', 'Kurýr večer', 'stock', 'problem', true, null);

insert into reports.shopline_open (account, fulfillment_order_id, state)
values ('main', 'S1', 'open'), ('main', 'S2', 'held'), ('main', 'S3', 'held');

insert into reports.channel_promises (account, fulfillment_order_id, delivery_method, promised_date, promise_state)
values
    ('main', 'S1', 'SHIPPING', date '2025-11-10', 'on_time'),
    ('main', 'S2', 'SHIPPING', date '2025-11-10', 'late'),
    ('main', 'S3', 'SHIPPING', date '2025-11-11', 'on_time'),
    ('main', 'S4', 'PICK_UP', date '2025-11-12', 'excluded'),
    ('main', 'S5', 'PICK_UP', date '2025-11-13', 'pending');

insert into intermediate.price_change (account, subject, kind, variant_id, previous_price, price, valid_from)
values
    ('main', 'a', 'purchase', 50043, 10, 11, timestamp '2025-11-02 08:00'),
    ('main', 'b', 'purchase', 50036, 10, 12, timestamp '2025-11-03 08:00'),
    ('main', 'c', 'retail', 50036, 30, 33, timestamp '2025-11-03 08:00');

insert into marts.fct_period_close_line (
    close_id, account, month, variant_id, pool, cogs, fifo_landed_cogs, fifo_bare_cogs, average_landed_cogs,
    average_bare_cogs, write_down
)
values
    ('main/2025-10/1', 'main', date '2025-10-01', 50043, 'sellable', 101.123456789012, 99.5, 90.25, 101.123456789012, 91, 4.5),
    ('main/2025-10/1', 'main', date '2025-10-01', 50036, 'sellable', 20.000000000001, 21, 19, 20.000000000001, 18, 0.5);

insert into reports.close_difference (close_id, account, month, variant_id, pool, quantity_difference, value_difference)
values ('main/2025-10/1', 'main', date '2025-10-01', 50043, 'sellable', -2, -20.5);

update reports.stock_value_daily set headline_missing_cost_quantity = 3 where date = date '2025-11-18';
update reports.stock_write_down set write_down = cost / 4, write_down_most = cost / 2, net_realisable_value = cost - cost / 4
where variant_id % 3 = 0;
update reports.stock_write_down set is_cost_missing = true where variant_id in (50043, 50036);
update marts.fct_stock_reconciliation set quantity_diff = 1 where variant_id = 50043 and snapshot_date = date '2025-11-18';
update reports.stock_level_daily set oversold_quantity = 2, oversold_variants = 1, requested_quantity = 5
where category_path = 'Dárky';
update reports.receiving_punctuality set state = 'overdue' where state = 'pending';
update marts.fct_stock_batch set left_quantity_least = left_quantity_most where is_exact;
update marts.fct_stock_batch set left_quantity_least = 1 where expiry_state = 'ahead' and left_quantity_most > 0;
insert into marts.fct_order (account, order_id, status, source_status, created_date) values ('main', 'U1', 'unmapped', 'new', date '2025-11-01');
update reports.sla_daily_delivery_method set excluded = 2 where due_date = date '2025-11-12' and delivery_name = 'Box';
update reports.stock_movements_monthly set corrections_quantity = -1, corrections_value = -12.5, settlements_value = 7.25
where month = date '2025-11-01' and variant_id = 50043;
