"""Great Expectations, imported beside what a night does before its checks."""

import gc
import os
import threading
import warnings

from stockbook.checks.deferred import UNUSED, deferred

_importing: list[threading.Thread] = []


def import_ahead() -> None:
    """
    Begin to import what the checks need, once in a process.

    Reading and loading wait for the network, and for threads of the database, about as long as the import takes.
    """
    if not _importing:
        # no daemon: a process that ends in the middle of an import may crash
        _importing.append(threading.Thread(target=_import, name="import of Great Expectations"))
        _importing[0].start()


def imported() -> None:
    """Wait for the import, or do it. Raises what it raises."""
    for thread in _importing:
        thread.join()
    _import()


def _import() -> None:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings(), deferred(*UNUSED):
        warnings.simplefilter("ignore")  # deprecations inside Great Expectations and its imports
        # half a million objects that stay: not to be searched for garbage while they come, again and again afterwards,
        # nor at the end of the process
        gc.disable()
        try:
            import stockbook.checks.expectation  # noqa: F401 - the import itself is what is wanted here
        finally:
            gc.freeze()
            gc.enable()
