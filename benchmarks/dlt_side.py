"""
The other side of extract_load.py: the same listings into DuckDB with dlt, tuned as its documentation advises.

Runs in a virtual environment of its own. Listings are read side by side; of a long one the first page tells the
total, and the others are fetched by dlt's pool. Files are Parquet, normalizing has a process per core. A night
after the first asks the ledger for ids above the last one, and orders from the day of the last one, and merges.
"""

import argparse
import os
import time

BEGAN = time.perf_counter()
CORES = os.cpu_count() or 1
os.environ.update(
    {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
        "EXTRACT__WORKERS": "4",
        "EXTRACT__MAX_PARALLEL_ITEMS": "20",
        "NORMALIZE__WORKERS": str(CORES),
        "LOAD__WORKERS": str(CORES),
        "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
        # several files are what several processes can share
        "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "50000",
        "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "200000",
        "EXTRACT__DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    }
)

import dlt  # noqa: E402
from dlt.sources.helpers import requests  # noqa: E402

LISTINGS = {
    "warehouse-variants": ("variant_id", 1000),
    "warehouse-preloads": ("id", 1000),
    "products": ("id", 100),
    "product-categories": ("id", 1000),
    "warehouse-requests": ("id", 1000),
    "deliveries": ("id", 0),
    "transformation-replenishment": ("mastercase_code", 0),
}


def source(url: str, token: str, first: bool):
    """All listings of a fulfillment.cz account; there is nothing to merge with at ``first``."""
    session = requests.Client().session
    session.headers["Authorization"] = token
    session.trust_env = False

    def ask(path: str, **parameters: object) -> dict:
        answer = session.get(f"{url}/v2/fulfillment/{path}", params=parameters)
        answer.raise_for_status()
        return answer.json()

    @dlt.defer
    def rows(path: str, limit: int, offset: int, **filters: object) -> list:
        return ask(path, limit=limit, offset=offset, **filters)["data"]

    def paged(path: str, limit: int, **filters: object):
        first = ask(path, limit=limit, offset=0, **filters)
        yield first["data"]
        for offset in range(limit, first["totalCount"], limit):
            yield rows(path, limit, offset, **filters)

    above = dlt.sources.incremental("id", initial_value=0, row_order="desc")
    since = dlt.sources.incremental("created", initial_value="")

    @dlt.resource(name="movements", primary_key="id", write_disposition="append", parallelized=True)
    def movements(last=above):
        yield from paged("warehouse-movements", 1000, **({"idFrom": last.last_value} if last.last_value else {}))

    how = "append" if first else "merge"

    @dlt.resource(name="orders", primary_key="id", write_disposition=how, parallelized=True)
    def orders(last=since):
        yield from paged("orders", 100, **({"created_from": last.last_value[:10]} if last.last_value else {}))

    def whole(path: str, key: str, limit: int):
        def listing():
            if limit:
                yield from paged(path, limit)
            else:
                yield ask(path)["data"]

        return dlt.resource(
            listing, name=path.replace("-", "_"), primary_key=key, write_disposition="replace", parallelized=True
        )

    @dlt.source(name="fulfillment")
    def fulfillment():
        yield movements
        yield orders
        for path, (key, limit) in LISTINGS.items():
            yield whole(path, key, limit)

    return fulfillment()


def main() -> None:
    """Run the pipeline once and print its seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("folder")
    options = parser.parse_args()
    pipeline = dlt.pipeline(
        "shop",
        pipelines_dir=f"{options.folder}/pipelines",
        destination=dlt.destinations.duckdb(f"{options.folder}/dlt.duckdb"),
        dataset_name="shop",
    )
    first = not os.path.exists(f"{options.folder}/dlt.duckdb")
    pipeline.run(source(options.url, options.token, first), loader_file_format="parquet")
    print(f"{time.perf_counter() - BEGAN:.3f}")


if __name__ == "__main__":
    main()
