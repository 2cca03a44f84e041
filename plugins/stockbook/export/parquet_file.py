"""An answer as Parquet: types as the published file has them, money decimal to the last digit."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from stockbook.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

ROW_GROUP = 122_880


def write(answer: "duckdb.DuckDBPyRelation", file: Path) -> int:
    """Write it by row groups; returns the rows. Raises ConfigError for a type that Parquet has not."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    rows = 0
    reader = answer.project("*").to_arrow_reader(ROW_GROUP)  # of two columns of one name the second is renamed
    try:
        with ParquetWriter(file, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch, ROW_GROUP)
                rows += batch.num_rows
                # what Arrow freed it keeps for itself otherwise
                pa.default_memory_pool().release_unused()
    except pa.ArrowNotImplementedError as error:
        raise ConfigError(f"Parquet cannot hold {_types(reader.schema)}: cast it to varchar in a query.") from error
    return rows


def _types(schema: Any) -> str:
    import pyarrow as pa

    odd = [f"{field.name} ({field.type})" for field in schema if pa.types.is_interval(field.type)]
    return ", ".join(odd) or "one of these columns"
