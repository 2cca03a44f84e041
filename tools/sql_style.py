"""
Hold the style of the SQL.

``python tools/sql_style.py [--fix] PATH...`` prints each fault with its line, and ends with 1. The style is that of
``include/sql``: lower case, one column to a line, imports first, at most 200 lines. ``--fix`` moves CTEs that only read
a table in front of those that compute; every other fault is mended by hand. Of a template (``.sql.jinja``) only the
lines are held here; a test holds what it expands to.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlglot import exp, parse_one
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

LONGEST, WIDEST = 200, 150
OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)
# these hold a name or a value of somebody else, in whatever case
FREE = (TokenType.STRING, TokenType.IDENTIFIER, TokenType.RAW_STRING)
KINDS_OF_JOIN = {"inner", "left", "right", "full", "outer", "cross", "semi", "anti", "asof", "positional"}
ENDS_COLUMNS = (TokenType.FROM, TokenType.UNION, TokenType.WHERE, TokenType.INTO, TokenType.QUALIFY)
NAMES = (TokenType.VAR, TokenType.IDENTIFIER)

Fault = tuple[int, str]


class Cte(NamedTuple):
    """A CTE of the outermost ``with``: where its text begins and ends, comments above it included, and its line."""

    start: int
    end: int
    line: int
    name: str


def faults(text: str) -> Iterator[Fault]:
    """The line and a sentence for everything in a file that is not in house style."""
    yield from of_lines(text)
    yield from of_head(text)
    try:
        tokens = DuckDB().tokenize(text)
        yield from of_tokens(text, tokens)
        if not is_macro(text):
            yield from of_query(text, tokens)
    except SqlglotError as error:
        yield 1, f"cannot be parsed: {str(error).splitlines()[0]}"


def of_lines(text: str) -> Iterator[Fault]:
    """Faults that a line has by itself."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if "\t" in line or line != line.rstrip():
            yield number, "a tab or a blank at the end of the line"
        if len(line) > WIDEST:
            yield number, f"the line has {len(line)} characters; at most {WIDEST}"
        if (len(line) - len(line.lstrip(" "))) % 4:
            yield number, "indent by four"
        if line.lstrip().startswith(","):
            yield number, "a comma ends a line, it does not begin one"
    if len(lines) - 1 > LONGEST:
        yield (
            LONGEST + 1,
            f"the model has {len(lines) - 1} lines; at most {LONGEST}: put a step into a model of its own",
        )
    if lines[-1] or (len(lines) > 1 and not lines[-2]):
        yield len(lines), "the file ends with one line break"


def of_head(text: str) -> Iterator[Fault]:
    """Faults of the comment at the top, which says what a row is."""
    head = re.match(r"(-- .*\n)*", text)
    if head is None or not head.group():
        yield 1, "begin with a comment that says what the rows are"
    elif not is_macro(text) and "-- Grain: " not in head.group():
        yield 1, "the comment at the top names the grain: -- Grain: one row per ..."


def is_macro(text: str) -> bool:
    """Whether the file is a statement that makes a scalar macro, and no select."""
    return re.search(r"^create or replace macro ", text, re.MULTILINE) is not None


def of_tokens(text: str, tokens: list[Token]) -> Iterator[Fault]:
    """Faults of words: upper case, columns that share a line, joins of no kind, aliases without ``as``."""
    for number, token in enumerate(tokens):
        written = text[token.start : token.end + 1]
        if token.token_type not in FREE and written != written.lower():
            yield token.line, f"{written} is not lower case"
        if token.token_type == TokenType.SELECT:
            yield from of_columns(tokens, number)
        if token.token_type == TokenType.JOIN and tokens[number - 1].text.lower() not in KINDS_OF_JOIN:
            yield token.line, "a join says its kind: inner, left, cross, ..."
        if token.token_type in (TokenType.FROM, TokenType.JOIN):
            yield from of_alias(tokens, number + 1)


def of_columns(tokens: list[Token], select: int) -> Iterator[Fault]:
    """Faults of the columns of one select."""
    depth = 0
    commas = []
    for number in range(select + 1, len(tokens)):
        kind = tokens[number].token_type
        depth += (kind in OPENING) - (kind in CLOSING)
        if depth < 0 or (depth == 0 and kind in ENDS_COLUMNS):
            break
        if depth == 0 and kind == TokenType.COMMA:
            commas.append(number)
    if (
        commas
        and tokens[select + 1].line == tokens[select].line
        and tokens[select + 1].token_type != TokenType.DISTINCT
    ):
        yield tokens[select].line, "several columns begin on a line of their own"
    for comma in commas:
        if tokens[comma + 1].line == tokens[comma].line:
            yield tokens[comma].line, "one column to a line"


def of_alias(tokens: list[Token], number: int) -> Iterator[Fault]:
    """Faults of the alias of a table that is read."""
    is_name = False
    while number < len(tokens) and tokens[number].token_type in (*NAMES, TokenType.DOT):
        if is_name and tokens[number].token_type != TokenType.DOT:
            yield tokens[number].line, f"write: as {tokens[number].text}"
            return
        is_name = tokens[number].token_type != TokenType.DOT
        number += 1


def of_query(text: str, tokens: list[Token]) -> Iterator[Fault]:
    """Faults of the whole: stars, and the CTEs' layout, use and order."""
    query = parse_one(text, read="duckdb")
    yield from of_latest(text, query)
    names = {cte.alias for cte in query.find_all(exp.CTE)}
    read = {table.name for table in query.find_all(exp.Table) if not table.db}
    for select in query.find_all(exp.Select):
        tables = [join.this for join in [select.args.get("from_"), *(select.args.get("joins") or [])] if join]
        # a model of intermediate is a step of the models that read it, as a CTE is
        declared = [table for table in tables if isinstance(table, exp.Table) and table.db not in ("", "intermediate")]
        stars = [column for column in select.expressions if column.is_star]
        for table in declared:
            if any(isinstance(star, exp.Star) or star.table == table.alias_or_name for star in stars):
                yield (
                    line_of(text, f"{table.db}.{table.name}"),
                    "a star stands only for a CTE or a model of intermediate",
                )
    ctes = outer_ctes(text, tokens)
    for name in sorted(names - read):
        yield next((cte.line for cte in ctes if cte.name == name), 1), f"nothing reads the CTE {name}"
    for cte in ctes:
        if not re.search(r"\(\n\n.*\n\n\)$", text[cte.start : cte.end], re.DOTALL):
            yield cte.line, "a blank line stands above and below the body of a CTE"
    imports = imports_of(query)
    is_computed = False
    for cte in ctes:
        if cte.name in imports and is_computed:
            yield cte.line, f"{cte.name} only reads a table: it stands before the CTEs that compute (--fix moves it)"
        is_computed = is_computed or cte.name not in imports


def of_latest(text: str, query: exp.Expr) -> Iterator[Fault]:
    """Values of a latest row that may be an older row's: DuckDB's ``arg_max`` passes over a row whose value is NULL."""
    for call in query.find_all(exp.ArgMax, exp.ArgMin):
        where = call.parent.expression.this if isinstance(call.parent, exp.Filter) else exp.true()
        if exp.Is(this=call.this, expression=exp.null()).not_() not in list(where.find_all(exp.Not)):
            name = "arg_max" if isinstance(call, exp.ArgMax) else "arg_min"
            value = call.this.sql("duckdb")
            yield (
                line_of(text, f"{name}({value}"),
                f"{name} passes over NULL: write {name}_null, or filter (where {value} is not null)",
            )


def line_of(text: str, name: str) -> int:
    """The first line that has a name."""
    return next((number for number, line in enumerate(text.splitlines(), 1) if name in line), 1)


def imports_of(query: exp.Expr) -> set[str]:
    """The CTEs that only read columns of one declared table."""
    imports = set()
    for cte in query.ctes:
        tables = list(cte.this.find_all(exp.Table))
        is_plain = isinstance(cte.this, exp.Select) and not any(cte.this.args.get(part) for part in ("group", "joins"))
        if is_plain and len(tables) == 1 and tables[0].db:
            imports.add(cte.alias)
    return imports


def outer_ctes(text: str, tokens: list[Token]) -> list[Cte]:
    """The CTEs of the outermost ``with`` as they stand in the text."""
    if not tokens or tokens[0].token_type != TokenType.WITH:
        return []
    ctes = []
    first = 2 if tokens[1].token_type == TokenType.RECURSIVE else 1
    depth, name, start = 0, tokens[first], tokens[first - 1].end + 1
    for number, token in enumerate(tokens[first:], first):
        depth += (token.token_type in OPENING) - (token.token_type in CLOSING)
        if depth == 0 and token.token_type in CLOSING:
            ctes.append(Cte(start, token.end + 1, name.line, name.text))
            if tokens[number + 1].token_type != TokenType.COMMA:
                break
            name, start = tokens[number + 2], tokens[number + 1].end + 1
    return ctes


def fixed(text: str) -> str:
    """The text with the CTEs that only read a table first, in their order."""
    if is_macro(text):
        return text
    ctes = outer_ctes(text, DuckDB().tokenize(text))
    if not ctes:
        return text
    imports = imports_of(parse_one(text, read="duckdb"))
    ordered = sorted(ctes, key=lambda cte: cte.name not in imports)
    bodies = ",".join(text[cte.start : cte.end] for cte in ordered)
    return text[: ctes[0].start] + bodies + text[ctes[-1].end :]


def main(arguments: list[str]) -> int:
    """Hold every file of SQL below the paths; 1 when one has a fault."""
    paths = [Path(argument) for argument in arguments if argument != "--fix"]
    files = [file for path in paths for file in (sorted(path.rglob("*.sql*")) if path.is_dir() else [path])]
    lines = []
    for file in files:
        text = file.read_text()
        if "--fix" in arguments and file.suffix == ".sql" and (better := fixed(text)) != text:
            file.write_text(better)
            text = better
        rules = faults if file.suffix == ".sql" else of_lines
        lines += [f"{file}:{line}: {sentence}" for line, sentence in rules(text)]
    print("\n".join(lines) or f"{len(files)} files of SQL are in house style.")
    return int(bool(lines) or not files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
