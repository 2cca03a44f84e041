-- The local wall clock at an instant, with the offsets of its UTC day in intermediate.calendar_zone_day.
create or replace macro intermediate.local_at(at_utc, utc_offset, utc_change_at, utc_offset_after) as
at_utc + to_seconds(case when at_utc >= utc_change_at then utc_offset_after else utc_offset end)
