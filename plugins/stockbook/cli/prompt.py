"""A prompt on the published file: queries, and what there is to ask."""

import cmd
from pathlib import Path
from typing import ClassVar

from stockbook.cli.printing import Format, Printer, terminal_width
from stockbook.declarations import Table
from stockbook.errors import StockbookError
from stockbook.lake_url import LakeUrl
from stockbook.limits import Limits
from stockbook.warehouse.published_names import LAYERS
from stockbook.warehouse.readers import reader

WORDS = {"help": ".help", "show tables": ".tables", "quit": ".quit", "exit": ".quit"}


class Prompt(cmd.Cmd):
    """
    Reads queries until ``quit``; a query ends with a semicolon and may go over several lines.

    Each query opens the file read-only and closes it: a night never waits for a prompt, and a prompt sees what
    was published since its last query.
    """

    intro = "Published tables of Stockbook. A query ends with ;  help says what else there is, quit leaves."
    prompt = "stockbook> "
    commands: ClassVar[dict[str, str]] = {
        ".tables [words]": "tables, views and macros whose name or description has the words; show tables: all",
        ".describe NAME": "the columns of one, with types and descriptions",
        ".macros": "tables that take parameters, with an example",
        ".quit": "leave; as quit and exit do",
    }

    def __init__(
        self,
        published: Path | LakeUrl,
        tables: dict[str, Table],
        rows: int | None = None,
        format_: Format = Format.auto,
        limits: Limits = Limits(),  # noqa: B008  # frozen
        as_is: bool = False,
    ) -> None:
        """Over ``published``; answers are written as ``Printer`` does."""
        super().__init__()
        self.limits, self.as_is = limits, as_is
        self.published, self.rows, self.format = published, rows, format_
        self.tables = {name: table for name, table in tables.items() if table.layer in LAYERS}
        self.query = ""

    def say(self, text: str) -> None:
        """Print a line."""
        self.stdout.write(text + "\n")

    def onecmd(self, line: str) -> bool:
        """One line typed; True ends the prompt."""
        words = line.strip()
        if not self.query:
            words = WORDS.get(" ".join(words.lower().rstrip("; ").split()), words)
        if words in ("EOF", ".quit", ".exit") and not self.query:
            return True
        if words.startswith(".") and not self.query:
            self._command(words)
            return False
        self.query = f"{self.query}\n{line}" if self.query else line
        if words.endswith(";") or words == "EOF":
            query, self.query = self.query.removesuffix("EOF").strip(), ""
            if query:
                self._ask(query)
        self.prompt = "      ...> " if self.query.strip() else "stockbook> "
        return words == "EOF"

    def _ask(self, query: str) -> None:
        printer = Printer(self.stdout, self.format, self.rows, terminal_width(self.stdout), self.as_is)
        try:
            with reader(self.published, self.limits) as con:
                printer.answer(con, query)
        except StockbookError as error:
            self.say(str(error))

    def _command(self, words: str) -> None:
        name, _, argument = words.partition(" ")
        if name == ".tables":
            wanted = argument.lower().split()
            for table in self.tables.values():
                if all(word in f"{table.name} {table.description}".lower() for word in wanted):
                    self.say(f"{table.name:45} {table.description.split('. ')[0].rstrip('.')}")
        elif name == ".describe":
            self._describe(argument.strip())
        elif name == ".macros":
            for table in self.tables.values():
                if table.kind == "macro":
                    parameters = ", ".join(f"{parameter} {kind}" for parameter, kind in table.parameters.items())
                    self.say(f"{table.name}({parameters})\n    {table.description}")
                    sample = ", ".join(_sample(name, kind) for name, kind in table.parameters.items())
                    self.say(f"    from {table.name}({sample});")
        elif name == ".help":
            for text, meaning in self.commands.items():
                self.say(f"{text:18} {meaning}")
        else:
            self.say(f"There is no {name}; .help lists what there is.")

    def _describe(self, name: str) -> None:
        table = self.tables.get(name)
        if table is None:
            self.say(f"Nothing is called {name!r}; .tables lists what there is.")
            return
        self.say(table.description)
        for column, declared in table.columns.items():
            unit = f" [{declared.unit}]" if declared.unit else ""
            self.say(f"  {column:32} {declared.type:18} {declared.description}{unit}")


def _sample(name: str, kind: str) -> str:
    if kind != "date":
        return f"cast(null as {kind})"
    # a month's last day is known on the day after
    return "date '2026-03-01'" if name.startswith("known") else "date '2026-02-28'"
