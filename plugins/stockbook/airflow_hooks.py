"""
The receiver in Airflow's API server: its connections are Airflow's.

Every Airflow process loads the plugin, most of them never receive anything: nothing is imported, opened or looked up
before the first request.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stockbook.webhooks.app import App


class LazyApp:
    """An ASGI application that is made when it is first called."""

    def __init__(self, make: "Callable[[], App]") -> None:
        """``make`` is called once."""
        self._make = make
        self._app: App | None = None

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if self._app is None:
            self._app = self._make()
        await self._app(scope, receive, send)


def hooks_app() -> LazyApp:
    """The receiver's application for ``fastapi_apps`` of the plugin."""

    def make() -> "App":
        from stockbook.airflow_connections import conn_ids, look_up
        from stockbook.clock import SystemClock
        from stockbook.connections import SOURCES
        from stockbook.settings import Settings
        from stockbook.webhooks.app import Desk, create_app

        return create_app(Desk(Settings.load, SystemClock(), lambda: {*SOURCES, *conn_ids(plain=())}, look_up))

    return LazyApp(make)
