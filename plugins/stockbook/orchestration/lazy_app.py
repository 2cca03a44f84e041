"""An ASGI app that is imported when it is first asked."""

from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any

Message = MutableMapping[str, Any]


class Later:
    """
    Stands for the app named ``module:attribute``.

    Airflow loads plugins in every process, tasks included; only the API server ever asks their routes,
    and importing web frameworks would cost each task seconds.
    """

    def __init__(self, target: str) -> None:
        self.target = target

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Import the app, and pass on."""
        module, _, attribute = self.target.partition(":")
        await getattr(import_module(module), attribute)(scope, receive, send)
