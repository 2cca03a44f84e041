-- The code of a currency or country as all of its spellings have it: without blanks, in capital letters. NULL of nothing.
create or replace macro intermediate.currency_code(text) as
nullif(upper(staging.bare_of(text)), '')
