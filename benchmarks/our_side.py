"""Our side of extract_load.py: a night up to its load. Prints JSON: seconds, bytes and requests."""

import argparse
import json
import os
import time

BEGAN = time.perf_counter()

from stockbook import connections  # noqa: E402
from stockbook.clock import SystemClock  # noqa: E402
from stockbook.night import steps  # noqa: E402
from stockbook.progress import Silent  # noqa: E402
from stockbook.runs import step_log  # noqa: E402
from stockbook.runs.context import folder, parse_parameters  # noqa: E402
from stockbook.settings import Settings  # noqa: E402


def main() -> None:
    """One night up to its load; the environment tells the home and the connection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("as_of")
    options = parser.parse_args()
    settings = Settings.load(os.environ)
    tonight = steps.Night(settings, SystemClock(), Silent())
    ids = connections.conn_ids_in_environment(os.environ)
    run = steps.open_run(tonight, options.name, parse_parameters({"as_of": options.as_of}), ids, whole_run_here=True)
    try:
        opened = time.perf_counter()
        for conn_id in run.conn_ids:
            steps.extract(tonight, run.run_id, conn_id)
        extracted = time.perf_counter()
        steps.load(tonight, run.run_id)
        loaded = time.perf_counter()
    finally:
        tonight.lock.release(run.run_id)
    done = {step.name: step for step in step_log.read_all(folder(settings, run.run_id))}
    listings = done["load"].listings
    print(
        json.dumps(
            {
                "seconds": loaded - BEGAN,
                "open": opened - BEGAN,
                "extract": extracted - opened,
                "load": loaded - extracted,
                "bytes": sum(listing.bytes for listing in listings),
                "requests": sum(listing.requests for listing in listings),
                "rows": sum(listing.rows for listing in listings),
                "new": sum(listing.new for listing in listings),
            }
        )
    )


if __name__ == "__main__":
    main()
