-- The first day of the local month of an instant, with the offsets of its UTC day in intermediate.calendar_zone_day.
create or replace macro intermediate.local_month_of(at_utc, utc_offset, utc_change_at, utc_offset_after) as
cast(date_trunc('month', intermediate.local_at(at_utc, utc_offset, utc_change_at, utc_offset_after)) as date)
