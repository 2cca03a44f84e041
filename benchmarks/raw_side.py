"""The limit of extract_load.py: the same pages fetched with the same concurrency, and nothing done with them."""

import argparse
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import urllib3


def main() -> None:
    """Fetch every target of a list and print seconds, bytes and requests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("targets", type=Path)
    parser.add_argument("connections", type=int)
    options = parser.parse_args()
    targets = json.loads(options.targets.read_text())
    # one pool a thread: nothing to wait for but the server
    of_thread = threading.local()

    def fetch(target: str) -> int:
        if not hasattr(of_thread, "pool"):
            of_thread.pool = urllib3.connection_from_url(
                options.url, maxsize=1, headers={"Authorization": options.token}
            )
        return len(of_thread.pool.urlopen("GET", target, retries=False).data)

    began = time.perf_counter()
    with ThreadPoolExecutor(options.connections) as pool:
        received = sum(pool.map(fetch, targets))
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "bytes": received, "requests": len(targets)}))


if __name__ == "__main__":
    main()
