"""
A user's own reports in a lake, beside ours and with the account as they have.

Which tables there are, the folder says and no file of an account: where a report could not be made, the account has no
rows in it and the others have theirs. Nothing that is wrong with a report keeps an account's night from readers, but
where the operator wants that; it is a problem of theirs, and says so.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb

from stockbook.declarations import EXTRA
from stockbook.extra_folder import Problem
from stockbook.fleet.lake.relations import FILE, Relation, relation_of
from stockbook.models.extra import Plan, of_step
from stockbook.warehouse.readers import interrupted_after, query_error

_STORE_AWAY = (duckdb.IOException, duckdb.HTTPException)


class OwnReports(NamedTuple):
    """The models of a folder, the seconds that one may take, and whether what is wrong with it is red for the night."""

    folder: Path = Path()
    plan: Plan = Plan()
    seconds: float = 0
    is_red_for_all: bool = False

    def relations(self, con: duckdb.DuckDBPyConnection, account: str) -> Iterator[Relation]:
        """Their tables and views with the columns that they declare; without rows where the file has them not."""
        there: dict[str, dict[str, str]] = {}
        for table, column, kind in con.execute(
            f"select table_name, column_name, data_type from duckdb_columns() where database_name = '{FILE}' "
            f"and schema_name = '{EXTRA}' order by table_name, column_index"
        ).fetchall():
            there.setdefault(f"{EXTRA}.{table}", {})[column] = kind
        for step in self.plan.steps:
            if step.tables[0].kind == "macro":
                continue
            parts = [f'cast(null as {column.type}) as "{name}"' for name, column in step.tables[0].columns.items()]
            try:
                described = con.execute(f"describe select {', '.join(parts)}").fetchall()
            except duckdb.Error:
                continue  # a type that is none: it was never built
            relation = relation_of(step.name, {name: kind for name, kind, *_ in described}, account)
            columns = there.get(step.name, {})
            yield _empty(relation) if not columns else relation._replace(select=_select(relation, columns, account))

    def taken(
        self, con: duckdb.DuckDBPyConnection, relation: Relation, account: str
    ) -> tuple[Relation, Problem | None]:
        """
        One of them with its rows worked out; without rows, and with the reason, where that does not go well.

        A view is asked here for the first time since it was made.
        """
        text = ""
        try:
            with interrupted_after(con, self.seconds):
                con.execute(f"create or replace temp table own_report as {relation.select}")
                ((strangers,),) = con.execute(
                    "select count(*) from temp.own_report where account is distinct from $1", [account]
                ).fetchall()
            if strangers:
                text = f"{strangers} rows are of another account than {account}, or of none"
        except _STORE_AWAY:
            raise
        except duckdb.Error as error:
            text = query_error(error)
        if not text:
            return relation._replace(select="select * from temp.own_report"), None
        step = next(step for step in self.plan.steps if step.name == relation.name)
        sentence = f"{relation.name} has no rows of account {account} in the lake: {text.rstrip('.')}."
        return _empty(relation), of_step(self.folder, step, sentence)


def _select(relation: Relation, columns: dict[str, str], account: str) -> str:
    parts = [
        f'cast("{name}" as {kind}) as "{name}"' if name in columns else f"'{account}' as account"
        for name, kind in relation.columns.items()
        if name in columns or name == "account"
    ]
    return f"select {', '.join(parts)} from {FILE}.{relation.name}"


def _empty(relation: Relation) -> Relation:
    parts = (f'cast(null as {kind}) as "{name}"' for name, kind in relation.columns.items())
    return relation._replace(select=f"select {', '.join(parts)} where false")
