"""What Stockbook hangs into Airflow: the receiver of webhooks, under ``/stockbook`` of the API server."""

from airflow.plugins_manager import AirflowPlugin

from stockbook.airflow_hooks import hooks_app


class StockbookPlugin(AirflowPlugin):
    """The plugin. Its routes are outside Airflow's login and do their own checking."""

    name = "stockbook"
    fastapi_apps = [{"name": "Stockbook webhooks", "app": hooks_app(), "url_prefix": "/stockbook"}]  # noqa: RUF012  # Airflow's own declaration
