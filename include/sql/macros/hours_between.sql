-- The elapsed hours from one instant to another, 0 where they come the other way round; NULL where one is not known.
create or replace macro intermediate.hours_between(from_utc, to_utc) as
case when from_utc is not null and to_utc is not null then greatest(date_diff('second', from_utc, to_utc), 0) end
/ 3600.0
