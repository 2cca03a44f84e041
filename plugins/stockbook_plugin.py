"""What Stockbook hangs into Airflow: the page of the last night, and the receiver of webhooks."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from stockbook.orchestration.lazy_app import Later


class StockbookPlugin(AirflowPlugin):
    """The plugin. Its routes check who asks themselves: Airflow's login does not cover them."""

    name = "stockbook"
    # the first prefix that fits is asked, so the longer one stands first
    fastapi_apps: ClassVar[list[Any]] = [
        {"name": "Stockbook morning", "app": Later("stockbook.morning.app:app"), "url_prefix": "/stockbook/morning"},
        {"name": "Stockbook fleet", "app": Later("stockbook.fleet.page:app"), "url_prefix": "/stockbook/fleet"},
        {
            "name": "Stockbook webhooks",
            "app": Later("stockbook.orchestration.webhook_app:app"),
            "url_prefix": "/stockbook",
        },
    ]
    external_views: ClassVar[list[Any]] = [
        {"name": "Stockbook", "href": "/stockbook/morning/", "destination": "nav", "url_route": "stockbook"},
    ]
