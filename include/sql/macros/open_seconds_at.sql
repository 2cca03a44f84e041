-- The open seconds of a calendar before an instant, from its local day in intermediate.calendar_day: the difference
-- of two is business time. NULL only where the calendar does not cover the day; greatest() passes over a closed day.
create or replace macro intermediate.open_seconds_at(at_utc, opens_at_utc, closes_at_utc, open_seconds_before) as
open_seconds_before + greatest(date_diff('second', opens_at_utc, least(at_utc, closes_at_utc)), 0)
