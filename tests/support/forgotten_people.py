"""People of a sandbox shop who ask to be forgotten, and what a file of books holds besides people."""

from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from checkout import PROJECT
from night_rig import KEY

from stockbook import declaration_files
from stockbook.erasure.personal_tables import personal_tables
from stockbook.erasure.spelling import Kind
from stockbook.projection.personal import digits, hashed
from stockbook_sandbox import Shop, people

KEY_BYTES = KEY.encode()


class Someone(NamedTuple):
    """A person who asks to be forgotten: how they are named, how they are called, the orders that are known of them."""

    kind: Kind
    value: str
    plain: str
    orders: list[int]

    @property
    def hashes(self) -> list[str]:
        """Every hash that the source's values of them have."""
        texts = [self.plain, *map(people.tracking_number, self.orders)]
        symbols = [digits(people.variable_symbol(order), KEY_BYTES) for order in self.orders]
        return [text for text in (*(hashed(text, KEY_BYTES) for text in texts), *symbols) if text is not None]


def someones(shop: Shop, numbers: dict[str, str], count: int) -> list[Someone]:
    """
    People with orders: of addresses in all, of one an order, one without an address; and one customer of FlickRocket.

    ``numbers`` are those of orders by their id.
    """
    by_person: dict[int, list[int]] = {}
    for order, number in enumerate(shop.demand.person.tolist()):
        by_person.setdefault(number, []).append(order)
    mailed = sorted((n for n in by_person if people.person(n).email), key=lambda number: -len(by_person[number]))
    phoned = next(number for number in by_person if not people.person(number).email)
    by_order, *mailed = mailed[: count - 2]
    its_number = next(numbers[uuid] for order in by_person[by_order] if (uuid := shop.order_uuid[order]) in numbers)
    customer = str(people.customer_number(int(shop.flickrocket.person[0])))
    return [
        *(Someone(Kind.email, mail, mail, by_person[n]) for n in mailed if (mail := people.person(n).email)),
        Someone(Kind.order, its_number, people.person(by_order).email, by_person[by_order]),
        Someone(Kind.phone, people.person(phoned).phone, people.person(phoned).phone, by_person[phoned]),
        Someone(Kind.flickrocket_customer, customer, customer, []),
    ]


# columns that are of people, and their digests; and what erasure itself notes, or forgets on purpose
PERSONAL = {
    column
    for each in personal_tables(declaration_files.load(PROJECT / "include" / "sql"))
    for column in each.emptied + each.renamed
} | {"_row_hash", "payload", "subject_id"}
NOTED = {"meta.erasure", "meta.content_mark", "meta.loaded_page", "meta.undeclared_field", "staging.quarantine"}


# what readers see of a file besides its rows
CATALOGUE = {
    "table": "select schema_name || '.' || table_name, comment, has_primary_key from duckdb_tables()",
    "view": "select schema_name || '.' || view_name, comment from duckdb_views() where not internal",
    "columns": "select schema_name || '.' || table_name, list((column_name, data_type, comment, is_nullable) "
    "order by column_index) from duckdb_columns() where not internal group by 1",
    "macro": "select schema_name || '.' || function_name || len(parameters), macro_definition, parameters, comment "
    "from duckdb_functions() where not internal",
}


def content(file: Path, without: set[str] = PERSONAL, left_out: set[str] = NOTED) -> dict[str, Any]:
    """Rows and digest of every table and view of a file, without some columns and some tables."""
    # in one question: to describe a view is to read all that it is made of
    relations = (
        "select schema_name || '.' || table_name, list(column_name order by column_index) from duckdb_columns() "
        "where not internal group by 1"
    )
    relations_by_name: dict[str, Any] = {}
    with duckdb.connect(str(file), read_only=True, config={"threads": 1}) as con:
        con.execute("set TimeZone = 'UTC'")
        for what, query in CATALOGUE.items():
            relations_by_name |= {
                f"{what} {name}": said for name, *said in con.execute(query).fetchall() if name not in left_out
            }
        for name, columns in con.execute(relations).fetchall():
            if name not in left_out:
                rows = f"select {', '.join(column for column in columns if column not in without)} from {name}"
                relations_by_name[name] = con.execute(
                    f"select count(*), coalesce(sum(hash(t)::hugeint), 0) from ({rows}) as t"
                ).fetchall()
    return relations_by_name
