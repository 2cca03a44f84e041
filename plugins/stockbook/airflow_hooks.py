"""The receiver in Airflow's API server: its connections are Airflow's. Imported at the first request only."""

from stockbook.airflow_connections import conn_ids, look_up
from stockbook.clock import SystemClock
from stockbook.connections import SOURCES
from stockbook.settings import Settings
from stockbook.webhooks.app import Desk, create_app

app = create_app(Desk(Settings.load, SystemClock(), lambda: {*SOURCES, *conn_ids(plain=())}, look_up))
