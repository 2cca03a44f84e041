"""The DAGs of this project by name, for who points to one; the files of ``dags/`` say the same, and a test compares."""

NIGHTLY = "stockbook_nightly"
FLEET_NIGHTLY = "stockbook_fleet_nightly"
CLOSE_MONTH = "stockbook_close_month"
MAINTENANCE = "stockbook_maintenance"
