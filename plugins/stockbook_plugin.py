"""What Stockbook hangs into Airflow: the page of the last night."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from stockbook.later import Later


class StockbookPlugin(AirflowPlugin):
    """The plugin. Its routes check who asks themselves: Airflow's login does not cover them."""

    name = "stockbook"
    fastapi_apps: ClassVar[list[Any]] = [
        {
            "app": Later("stockbook.morning.app:app"),
            "url_prefix": "/stockbook/morning",
            "name": "Stockbook, the morning",
        },
    ]
    external_views: ClassVar[list[Any]] = [
        {"name": "Stockbook", "href": "/stockbook/morning/", "destination": "nav", "url_route": "stockbook"},
    ]
