"""
An invented (or replayed) shop behind fulfillment.cz v2 and FlickRocket, with a clock and faults.

It knows nothing of the pipeline: what it calls true comes from its own ledger.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stockbook_sandbox.serving import Running, running
    from stockbook_sandbox.shop import Shop

__all__ = ["Running", "Shop", "running"]


def __getattr__(name: str) -> Any:
    # the CLI mounts this package's commands at every start: the server and numpy wait until they are used
    if name in ("Running", "running"):
        from stockbook_sandbox import serving

        return getattr(serving, name)
    if name == "Shop":
        from stockbook_sandbox.shop import Shop

        return Shop
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
