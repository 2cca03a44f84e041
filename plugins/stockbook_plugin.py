"""What Stockbook hangs into Airflow. The webhook receiver and the page of issue 6 and 7 come here."""

from airflow.plugins_manager import AirflowPlugin


class StockbookPlugin(AirflowPlugin):
    """The plugin; for now it only makes itself known, so that `airflow plugins` shows what is installed."""

    name = "stockbook"
