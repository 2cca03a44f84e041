"""The receiver in Airflow's API server: its connections are Airflow's. Imported at the first request only."""

from stockbook.clock import SystemClock
from stockbook.orchestration.connections import PLACES
from stockbook.settings import Settings
from stockbook.webhooks.app import Desk, create_app

app = create_app(Desk(Settings.load, SystemClock(), PLACES.conn_ids, PLACES.look_up))
