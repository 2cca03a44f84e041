"""What Stockbook hangs into Airflow. The webhook receiver and the pages will hang here."""

from airflow.plugins_manager import AirflowPlugin


class StockbookPlugin(AirflowPlugin):
    """The plugin; for now it only makes itself known, so that `airflow plugins` shows what is installed."""

    name = "stockbook"
