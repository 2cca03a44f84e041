"""
An answer as CSV: DuckDB writes the lines, and they pass through here by the chunk, never as rows of Python.

So a hundred million rows take no more memory than a thousand. Values are as DuckDB writes them, NULL is nothing.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stockbook.export.formulas import BEGINNINGS, holds_text, no_formula
from stockbook.sql_text import quoted

if TYPE_CHECKING:
    import duckdb

ROWS = 20_000
_SPECIAL = ('"', ",", "\r", "\n")


def chunks(answer: "duckdb.DuckDBPyRelation", as_is: bool = False) -> Iterator[tuple[int, bytes]]:
    """
    The heading (0 rows) and then the rows, in UTF-8, each time how many and their lines.

    ``as_is`` leaves texts that begin like a formula as they are.
    """
    yield 0, _heading([name if as_is else no_formula(name) for name in answer.columns]).encode()
    lines = answer.project("*").project(_line(answer, as_is))  # of two columns of one name the second is renamed
    for batch in lines.to_arrow_reader(ROWS):
        yield batch.num_rows, _bytes(batch.column(0))


def _heading(names: Sequence[str]) -> str:
    quoted = ('"' + name.replace('"', '""') + '"' if any(sign in name for sign in _SPECIAL) else name for name in names)
    return ",".join(quoted) + "\n"


def _line(answer: "duckdb.DuckDBPyRelation", as_is: bool) -> str:
    names = ['"' + name.replace('"', '""') + '"' for name in answer.project("*").columns]
    cells = [_cell(name, str(kind), as_is) for name, kind in zip(names, answer.types, strict=True)]
    # of one column an empty line would be no row
    line = f"coalesce(nullif({cells[0]}, ''), '\"\"')" if len(cells) == 1 else ", ',', ".join(cells)
    return f"concat({line}, chr(10)) as line"


def _cell(name: str, kind: str, as_is: bool) -> str:
    text = f"cast({name} as varchar)"
    if not holds_text(kind):
        return f"coalesce({text}, '')"
    odd = f"[{''.join(_SPECIAL)}]"
    guarded = text
    if not as_is:
        beginning = f"^[{''.join(BEGINNINGS).replace('-', '')}-]"
        odd = f"{odd}|{beginning}"
        guarded = f"case when regexp_matches({text}, {quoted(beginning)}) then '''' || {text} else {text} end"
    in_quotes = f"'\"' || replace({guarded}, '\"', '\"\"') || '\"'"
    is_special = " or ".join(f"contains({text}, chr({ord(sign)}))" for sign in _SPECIAL)
    spelled = f"case when {is_special} then {in_quotes} else {guarded} end"
    # one look at most texts: they are as they are
    return f"coalesce(case when regexp_matches({text}, {quoted(odd)}) then {spelled} else {text} end, '')"


def _bytes(lines: Any) -> bytes:
    """The texts of an Arrow array one behind the other, as they lie in its buffer."""
    import numpy as np
    import pyarrow as pa

    texts = lines.cast(pa.large_string())
    _, offsets, content = texts.buffers()
    if content is None:
        return b""
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return bytes(memoryview(content)[ends[0] : ends[-1]])
