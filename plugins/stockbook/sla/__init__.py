"""The promise of an order: policies, calendars, statuses, and the tables models read them from."""
