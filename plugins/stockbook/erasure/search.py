"""
The proof: every file under a home is searched for what was to go, in twelve encodings, whatever it is packed in.

Pages and files of a lake are decompressed, and DuckDB files are read twice: as bytes, freed blocks included, and as the
texts of their columns, which may be compressed in the bytes.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

_LEAST = 6
"""A shorter value is part of too many others to be searched for."""
_CHUNK = 16 << 20
# of a piece what belongs to the next one too: longer than any text in any encoding
_OVERLAP = 1 << 14
_ROWS = 50_000


def _base64_behind(offset: int) -> Callable[[str], bytes]:
    def encode(text: str) -> bytes:
        content = b"\0" * offset + text.encode()
        # without the signs that a neighbour has a part in
        first, last = -(-offset * 8 // 6), len(content) * 8 // 6
        return base64.b64encode(content)[first:last]

    return encode


ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode(),
    "utf-16, little end first": lambda text: text.encode("utf-16-le"),
    "utf-16, big end first": lambda text: text.encode("utf-16-be"),
    "utf-32": lambda text: text.encode("utf-32-le"),
    "base64": _base64_behind(0),
    "base64 behind one byte": _base64_behind(1),
    "base64 behind two bytes": _base64_behind(2),
    "hexadecimal": lambda text: text.encode().hex().encode(),
    "percent": lambda text: quote(text, safe="").encode(),
    "JSON escapes": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text).encode(),
    "HTML references": lambda text: "".join(f"&#{ord(sign)};" for sign in text).encode(),
    "quoted-printable": lambda text: "".join(f"={byte:02X}" for byte in text.encode()).encode(),
}


class Hit(NamedTuple):
    """Where something was found, and in which encoding; never what."""

    place: str
    encoding: str


class Search:
    """A search for some texts in every encoding, whatever their case."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Texts that are too short are left out; ``too_short`` counts them."""
        import numpy as np

        texts = list(dict.fromkeys(texts))
        long = [text for text in texts if len(text) >= _LEAST]
        self.too_short = len(texts) - len(long)
        self._by_start: dict[bytes, list[tuple[bytes, str]]] = {}
        for text in long:
            for name, encode in ENCODINGS.items():
                needle = encode(text).lower()
                self._by_start.setdefault(needle[:4], []).append((needle, name))
        self._first, self._second = np.zeros(1 << 16, bool), np.zeros(1 << 16, bool)
        for start in self._by_start:
            self._first[int.from_bytes(start[:2], "little")] = True
            self._second[int.from_bytes(start[2:], "little")] = True

    def encodings_in(self, content: bytes) -> set[str]:
        """The encodings in which one of the texts is in some bytes."""
        folded = content.lower()
        hits = set()
        for at in self._candidates(folded):
            for needle, name in self._by_start.get(folded[at : at + 4], ()):
                if folded.startswith(needle, at) and not _is_part(needle, folded, at):
                    hits.add(name)
        return hits

    def _candidates(self, folded: bytes) -> Iterator[int]:
        """Where the first four bytes of something stand: looked up two by two, since nearly all of a file is not it."""
        import numpy as np

        for offset in (0, 1):
            count = (len(folded) - offset) // 2
            if count < 2:
                continue
            pairs: NDArray[np.uint16] = np.frombuffer(folded, "<u2", count, offset)
            at = np.flatnonzero(self._first[pairs[:-1]])
            yield from (at[self._second[pairs[at + 1]]] * 2 + offset).tolist()

    def hits(self, home: Path) -> list[Hit]:
        """Where under a folder something is: in a name, a file, a page, a column."""
        hits: set[Hit] = set()
        for path in sorted(home.rglob("*")):
            hits |= self.hits_of(path, str(path.relative_to(home)))
        return sorted(hits)

    def hits_of(self, path: Path, place: str) -> set[Hit]:
        """Where in one file or folder something is, which is called by its place: in that name too."""
        hits = {Hit(f"name of {place}", name) for name in self.encodings_in(place.encode())}
        if path.is_file():
            for part, content in _contents(path):
                hits.update(Hit(place + part, name) for name in self.encodings_in(content))
        return hits


def _is_part(needle: bytes, content: bytes, at: int) -> bool:
    """Whether digits are only a part of a longer number or of a digest, and nobody's."""
    if not needle.isdigit():
        return False
    around = content[at - 1 : at] + content[at + len(needle) : at + len(needle) + 1]
    return re.search(rb"[0-9a-f.]", around) is not None


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """What is in a file, unpacked, piece by piece."""
    if path.suffix == ".zst":
        from stockbook.landing.pages import unverified

        yield "", unverified(path)
        return
    if path.suffix == ".gz":
        import gzip

        yield "", gzip.decompress(path.read_bytes())
        return
    with path.open("rb") as file:
        before = b""
        while piece := file.read(_CHUNK):
            yield "", before + piece
            before = piece[-_OVERLAP:]
    if path.suffix == ".duckdb":
        yield from _columns(path)
    if path.suffix == ".parquet":
        yield from _values(path)


def _values(path: Path) -> Iterator[tuple[str, bytes]]:
    """The texts of a Parquet file, whose bytes are packed column by column."""
    rows = _in_memory().execute("select cast(t as varchar) from read_parquet($1) as t", [str(path)])
    while some := rows.fetchmany(_ROWS):
        yield ": rows", "\n".join(text for (text,) in some).encode()


@cache
def _in_memory() -> "duckdb.DuckDBPyConnection":
    """One for all Parquet files, of which a lake has hundreds: opening one takes longer than reading one."""
    import duckdb

    return duckdb.connect(config={"threads": 1})


def _columns(path: Path) -> Iterator[tuple[str, bytes]]:
    """The texts of every column of a DuckDB file that can hold one."""
    from stockbook.warehouse.connect import for_questions

    columns = (
        "select c.schema_name || '.' || c.table_name, any_value(t.estimated_size), "
        "list(c.column_name order by c.column_index) from duckdb_columns() as c inner join duckdb_tables() as t "
        "using (table_oid) where not c.internal and not regexp_matches(c.data_type, "
        "'^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|BOOLEAN|DATE|TIME.*|DECIMAL.*|DOUBLE|FLOAT)$') group by 1 order by 1"
    )
    with closing(for_questions(path)) as con:
        # the size is that of all rows ever written: at least those that are there
        for table, rows, names in con.execute(columns).fetchall():
            # of a small table all columns in one question: a file has a thousand
            if rows <= _ROWS:
                columns_asked = ", ".join(f'string_agg(cast("{name}" as varchar), chr(10))' for name in names)
                (texts,) = con.execute(f"select {columns_asked} from {table}").fetchall()
                yield from (
                    (f": {table}.{name}", (text or "").encode()) for name, text in zip(names, texts, strict=True)
                )
                continue
            for name in names:
                query = con.execute(
                    f'select distinct cast("{name}" as varchar) from {table} where "{name}" is not null'
                )
                while some := query.fetchmany(_ROWS):
                    yield f": {table}.{name}", "\n".join(text for (text,) in some).encode()
