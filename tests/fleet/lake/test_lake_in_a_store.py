"""A lake whose files lie in an S3 store: published there, read from there, and what a store that is away does to it."""

import os
from pathlib import Path

import pytest
from lake_rig import LakeRig, database, run_of
from seaweed import Seaweed

from stockbook.errors import ConfigError, LakeUnavailable
from stockbook.warehouse.readers import reader

pytest.importorskip("duckdb_extension_httpfs", reason="DuckDB's extensions are not installed: stockbook[fleet]")


def test_a_store_holds_the_files_and_readers_reach_the_lake_in_it_only(
    server: str, s3: Seaweed, tmp_path: Path
) -> None:
    """Rows are read back through the cage; another prefix of the bucket is out of reach; a store away is said so."""
    rig = LakeRig.of(database(server), tmp_path, f"s3://{s3.bucket}/fleet", os.environ)
    rig.publish("a", 3)
    rig.publish("b", 5)

    assert rig.rows("select account, count(distinct part) from marts.fct_part group by all order by all") == [
        ("a", 3),
        ("b", 5),
    ]
    with pytest.raises((ConfigError, LakeUnavailable)), reader(rig.url) as con:
        con.execute(f"select * from 's3://{s3.bucket}/is-there'")
    prepared = rig.lake.prepare(rig.file("a", 9), run_of("a", 2))
    s3.stop()
    try:
        with pytest.raises(LakeUnavailable) as of_publisher:
            rig.lake.prepare(rig.file("a", 10), run_of("a", 3))
        with pytest.raises(LakeUnavailable) as of_reader, reader(rig.url) as con:
            con.execute("select sum(part) from marts.fct_part")
        # what is in the store already needs it no more
        rig.lake.commit(prepared, lambda: None)
    finally:
        s3.start()
    secret = s3.variables["AWS_SECRET_ACCESS_KEY"]
    assert secret not in f"{of_publisher.value} {of_reader.value} {rig.url!r}"
    assert rig.rows("select count(distinct part) from marts.fct_part where account = 'a'") == [(9,)]
