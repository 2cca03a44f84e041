"""What is published: its tables with grain and columns, and queries of them."""

from difflib import get_close_matches

from stockbook.analyst.answers import ColumnDescription, Definition, Rows, TableDescription
from stockbook.analyst.asking import Questions
from stockbook.analyst.figures import all_of, as_of, declared, in_codes, rows_of
from stockbook.errors import ConfigError
from stockbook.settings import Settings
from stockbook.sql_text import quoted
from stockbook.warehouse.published_names import LAYERS, TABLES

_LAYERS = {
    "reports": "Reports: made to be shown, one for a question. Look here first.",
    "marts": "Facts and dimensions, what reports are made of.",
    "extra": "Reports of this user's own, which Stockbook does not answer for.",
    "staging": "Rows of the sources as they came: typed, without duplicates, with history where there is one.",
    "meta": "Of the nights: runs, listings, checks.",
}


def listed(questions: Questions, schema: str, search: str, rows: int) -> Rows:
    """The tables, views and macros of a schema, those whose name or description has each word of a search."""
    if schema and schema not in LAYERS:
        raise ConfigError(f"There is no schema {schema!r}: there are {', '.join(LAYERS)}.")
    conditions = [f"starts_with(name, {quoted(f'{schema}.')})"] if schema else []
    conditions += [f"contains(lower(name || ' ' || description), {quoted(word)})" for word in search.lower().split()]
    sql = " ".join(f"select name, kind, description from ({TABLES}) where {' and '.join(conditions) or 'true'}".split())
    layers = [Definition(name=name, kind="schema", definition=text) for name, text in _LAYERS.items()]
    return rows_of(questions.ask(sql, rows), sql, [layer for layer in layers if schema in ("", layer.name)], {})


def described(settings: Settings, questions: Questions, name: str) -> TableDescription:
    """A table as the file has it, with what was declared of it. Raises ConfigError naming the nearest names."""
    from stockbook.dictionary.site import example

    schema, _, table = name.lower().partition(".")
    here = f"schema_name = {quoted(schema)}"
    sql = " ".join(
        f"""
        select 'table' as kind, t.comment, c.column_name, c.data_type, c.comment as column_comment
        from duckdb_tables() as t
        inner join duckdb_columns() as c using (database_name, schema_name, table_name)
        where t.{here} and table_name = {quoted(table)}
        union all by name
        select 'view' as kind, v.comment, c.column_name, c.data_type, c.comment as column_comment
        from duckdb_views() as v
        inner join duckdb_columns() as c
            on v.database_name = c.database_name and v.schema_name = c.schema_name and v.view_name = c.table_name
        where v.{here} and v.view_name = {quoted(table)}
        union all by name
        select 'macro' as kind, comment, array_to_string(parameters, ',') as parameters
        from duckdb_functions()
        where function_type = 'table_macro' and {here} and function_name = {quoted(table)}
        """.split()
    )
    answer = questions.look_up(sql)
    if not answer.rows or schema not in LAYERS:
        names = [row[0] for row in questions.look_up(TABLES).rows]
        near = get_close_matches(name, names, 5, 0.6) or [
            other for other in names if other.endswith(f".{name.rpartition('.')[2]}")
        ]
        raise ConfigError(
            f"Nothing published is called {name!r}; near it are {', '.join(near) or 'none: list_tables has them all'}."
        )
    kind, comment, *_, parameters = answer.rows[0]
    declaration = declared(settings).get(name.lower())
    wanted = declaration.columns if declaration else {}
    columns = [ColumnDescription(name=row[2], type=row[3], description=row[4]) for row in answer.rows if row[2]] or [
        ColumnDescription(name=column, type=of.type, description=of.description) for column, of in wanted.items()
    ]
    grain = declaration.grain if declaration else []
    for column in columns:
        column.is_key = column.name in grain
        if column.name in wanted:
            column.unit = in_codes(wanted[column.name].unit or "", answer.currencies) or None
            column.personal = wanted[column.name].personal if wanted[column.name].personal != "none" else None
    return TableDescription(
        as_of=as_of(answer),
        name=name.lower(),
        kind=kind,
        description=comment or "",
        grain=grain,
        parameters=parameters.split(",") if parameters else [],
        columns=columns,
        metrics=sorted(metric.name for metric in all_of(settings).of_relation(name.lower())),
        example_sql=example(declaration) if declaration else f"from {name.lower()} limit 10",
        sql=sql,
    )


def answered(questions: Questions, sql: str, rows: int) -> Rows:
    """What a query answers. Raises ConfigError for what a reader may not ask, and for what takes too much."""
    answer = questions.ask(sql, rows)
    definitions = [
        Definition(name=name, kind=kind, definition=comment) for name, (kind, comment) in answer.tables.items()
    ]
    return rows_of(answer, sql, definitions, {})
