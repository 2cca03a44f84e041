-- A number of an order as two systems may both write it: without blanks, case, a leading # and leading zeros. NULL of nothing.
create or replace macro intermediate.order_key(text) as
nullif(ltrim(ltrim(lower(staging.bare_of(text)), '#'), '0'), '')
