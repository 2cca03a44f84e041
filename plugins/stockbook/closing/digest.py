"""
Digests of what was signed: of the lines, column by column, and of the close, which names the digest before.

Lines are canonical whatever file they come from: sorted by variant and pool; each column as its name, then which values
are NULL (a byte each), then the values: whole numbers, days and units of 10^-12 as little-endian numbers of 8 and 16
bytes, texts as UTF-8 with their lengths. Texts of 100,000 lines of decimals would take ten seconds, these bytes a
fraction of one.
"""

import hashlib
import json
from typing import TYPE_CHECKING

import msgspec

from stockbook.closing.landed import Close
from stockbook.warehouse.spared_pandas import spare_pandas_of_arrow

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("variant_id", "pool")
VERSION = 1
"""Stands in the settings of a close: how its digests are made."""


def digest_of_close(close: Close) -> str:
    """The digest over all that a close says but itself, as JSON with sorted names and without spaces and nulls."""
    said = {name: value for name, value in msgspec.to_builtins(close).items() if name != "digest" and value is not None}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_lines(lines: "pa.Table", signed_columns: str) -> str:
    """The digest over the signed columns of lines, whatever order they come in."""
    spare_pandas_of_arrow()
    lines = in_order(lines)
    whole = hashlib.sha256()
    for name in signed_columns.split(","):
        whole.update(f"{name} {lines.num_rows}\n".encode())
        for part in column_bytes(lines, name):
            whole.update(part)
    return whole.hexdigest()


def in_order(lines: "pa.Table") -> "pa.Table":
    """Lines by variant and pool. As they were signed they lie so already: sorting 90 columns costs more than a look."""
    import numpy as np
    import pyarrow.compute as pc

    order = pc.sort_indices(lines.select(KEYS), sort_keys=[(name, "ascending") for name in KEYS]).to_numpy()
    return lines if np.array_equal(order, np.arange(lines.num_rows)) else lines.take(order)


def column_bytes(lines: "pa.Table", name: str) -> "list[bytes | memoryview]":
    """A column as the digest takes it; a column that is not there is NULL."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in lines.column_names:
        return [b"\1" * lines.num_rows]
    column = lines.column(name)
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(values, pa.ChunkedArray):  # a column without any chunk stays one
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)
    nulls = pc.cast(values.is_null(), pa.uint8()).to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        texts = pc.fill_null(pc.cast(values, pa.large_string()), "")
        lengths = pc.cast(pc.binary_length(texts), pa.int64()).to_numpy().tobytes()
        # of an array that is cut out of another, its own part
        starts = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
        data = texts.buffers()[2]
        return [nulls, lengths, memoryview(data)[starts[0] : starts[-1]] if data is not None and len(starts) else b""]
    if pa.types.is_decimal(values.type):
        numbers = pc.fill_null(pc.cast(values, pa.decimal128(38, 12)), 0)
        width = 16
        return [
            nulls,
            memoryview(numbers.buffers()[1])[width * numbers.offset : width * (numbers.offset + len(numbers))],
        ]
    if pa.types.is_date(values.type):
        values = pc.cast(values, pa.int32())
    return [nulls, pc.fill_null(pc.cast(values, pa.int64()), 0).to_numpy().tobytes()]
