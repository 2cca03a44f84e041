"""The documents say what is there, and what they tell to run works."""

import ast
import configparser
import importlib.util
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from checkout import PROJECT

from stockbook import connections, setting_list
from stockbook.cli.main import app
from stockbook.declarations import Table
from stockbook.runs.context import Parameters
from stockbook.version import VERSION

PAGES = {file.name: file for file in sorted(PROJECT.glob("*.md"))} | {
    file.relative_to(PROJECT / "docs").as_posix(): file for file in sorted((PROJECT / "docs").rglob("*.md"))
}
DOCS = {name: file.read_text() for name, file in PAGES.items()}
EVERYTHING = "\n".join(DOCS.values())
SOURCE = "\n".join(file.read_text() for folder in ("plugins", "dags") for file in (PROJECT / folder).rglob("*.py"))


def test_every_setting_is_documented() -> None:
    """Each STOCKBOOK_ variable the code reads stands in the table of settings."""
    read = set(re.findall(r"\bSTOCKBOOK_[A-Z_]+\b", SOURCE)) - {"STOCKBOOK_ORDERS"}

    assert len(read) > 10
    assert sorted(name for name in read if f"`{name}`" not in DOCS["running.md"]) == []


def test_the_table_of_settings_is_the_list_of_settings() -> None:
    """Names, defaults and texts are written once, in setting_list.py."""
    assert setting_list.markdown() in DOCS["running.md"]


def test_every_command_is_documented() -> None:
    """Each command of the command line is named in a document."""
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    names += [group.name or "" for group in app.registered_groups]

    assert len(names) > 7
    assert [name for name in names if not re.search(rf"stockbook {name}\b", EVERYTHING)] == []


def test_every_command_of_a_group_is_documented() -> None:
    """`stockbook bi serve` and the like: each is named in a document."""
    names = [
        f"{group.name} {command.name or getattr(command.callback, '__name__', '')}".replace("_", "-")
        for group in app.registered_groups
        if group.typer_instance
        for command in group.typer_instance.registered_commands
    ]

    assert len(names) > 5
    assert [name for name in names if not re.search(rf"stockbook {name}\b", EVERYTHING)] == []


def test_every_dag_is_documented() -> None:
    """Each DAG of the folder is named in the document of running, with its schedule's words."""
    ids = re.findall(r'dag_id="(\w+)"', "\n".join(file.read_text() for file in (PROJECT / "dags").glob("*.py")))

    assert "stockbook_nightly" in ids
    assert [name for name in ids if f"`{name}`" not in DOCS["running.md"]] == []


def test_every_parameter_of_a_night_is_documented() -> None:
    """Each stands in the table of parameters and is a parameter of the DAG."""
    dag = (PROJECT / "dags" / "nightly.py").read_text()
    for name in Parameters.__struct_fields__:
        assert f"`{name}`" in DOCS["running.md"]
        assert f'"{name}": Param(' in dag


def test_every_make_target_of_the_readme_exists() -> None:
    """What the README tells to type is in the Makefile, and help lists what the Makefile has."""
    targets = set(re.findall(r"^([a-z-]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    commands = set(re.findall(r"\bmake ([a-z-]+)", DOCS["README.md"]))

    assert commands
    assert commands <= targets


def test_the_first_hour_takes_at_most_six_commands() -> None:
    """What the README tells the owner of a shop to type: make targets, and connections that are read as they stand."""
    block = DOCS["README.md"].split("## Your own shop")[1].split("```sh")[1].split("```")[0]
    commands = [line.split("#")[0].strip() for line in block.strip().splitlines()]
    variables = dict(
        command.removeprefix("export ").split("=", 1) for command in commands if command.startswith("export")
    )
    environ = {name: text.strip("'") for name, text in variables.items()}

    assert len(commands) <= 6
    assert all(command.startswith(("make ", "export ")) for command in commands)
    accounts = connections.accounts(
        connections.conn_ids_in_environment(environ), lambda conn_id: connections.from_environment(conn_id, environ)
    )
    assert [account.base_url for account in accounts] == [
        "https://api.flickrocket.com",
        "https://client.api.fulfillment.cz",
    ]


def test_airflows_configuration_names_settings_and_sections_that_exist() -> None:
    """Every setting of the template is one Airflow knows, and every section of a document it points to is there."""
    text = (PROJECT / "include" / "airflow.cfg.template").read_text()
    written = configparser.ConfigParser(interpolation=None)
    written.read_string(text)
    airflow = importlib.util.find_spec("airflow")
    assert airflow is not None
    assert airflow.submodule_search_locations is not None
    folder = Path(airflow.submodule_search_locations[0]) / "config_templates"
    its_own = yaml.safe_load((folder / "config.yml").read_text())
    strange = [
        f"[{section}] {name}"
        for section in written.sections()
        for name in written[section]
        if name not in its_own.get(section, {}).get("options", {})
    ]
    named = re.findall(r'docs/(\w+\.md)(?:, "([^"]+)")?', text)

    assert strange == []
    assert len(named) > 1
    assert [(file, section) for file, section in named if f"\n## {section}\n" not in DOCS[file]] == []


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", DOCS)
def test_every_link_leads_somewhere(name: str) -> None:
    """Relative links of a document are files of the project, and their anchors are headings there."""
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", DOCS[name]):
        path, _, anchor = link.partition("#")
        target = (PAGES[name].parent / path) if path else PAGES[name]
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


# Airflow's, one that a folder of declarations may lack, and one that a recipe tells to write
STRANGE_FILES = {"airflow_local_settings.py", "columns.yml", "include/sql/staging/invoices.yml"}
NAMED_FILE = re.compile(r"(?<![\w/<>…{}*.-])[\w./-]*\w\.(?:py|md|sql|yml|ipynb)\b(?!\()")


def comments(file: Path) -> Iterator[str]:
    """The comments of a file, and of Python its docstrings too."""
    text = file.read_text()
    if file.suffix == ".md":
        yield from re.findall(r"`([^`\n]+)`", text)
    elif file.suffix == ".py":
        yield from (
            t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT
        )
        for node in ast.walk(ast.parse(text)):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
            ):
                yield node.value.value
    else:
        yield from re.findall(r"(?:--|#) .*", text)


def test_every_file_that_a_comment_names_exists() -> None:
    """A comment, docstring or page that names a file of the project names one that is there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = [name for name in listed.stdout.splitlines() if (PROJECT / name).exists()]
    suffixes = {"/".join(parts[at:]) for name in files if (parts := name.split("/")) for at in range(len(parts))}
    readers = [
        PROJECT / name
        for name in files
        if name.endswith((".py", ".sql", ".yml", ".md", ".in", ".toml", ".template", "Makefile"))
        and name not in ("CHANGELOG.md", "CONTRIBUTING.md", "docs/own_reports.md", "tests/ground/test_docs.py")
    ]

    def missing(text: str) -> list[str]:
        return [
            name
            for name in NAMED_FILE.findall(text)
            if name.removeprefix("./").removeprefix("../") not in suffixes and name not in STRANGE_FILES
        ]

    assert len(readers) > 500
    assert [
        f"{reader.relative_to(PROJECT)}: {name}"
        for reader in readers
        # what is nowhere in a file is in none of its comments, which take a hundred times as long to find
        if missing(reader.read_text())
        for comment in comments(reader)
        for name in missing(comment)
    ] == []


def test_no_comment_cites_a_paper_that_is_not_here() -> None:
    """What was called dossier, house or stack while the project was planned stands in docs under other names."""
    cited = re.compile(r"\bdossiers?\b|\breference/|\bdesign/|\b(?:house|coverage|(?<!docs/)fleet)\.md", re.IGNORECASE)
    folders = ("plugins", "include", "tests", "dags", "benchmarks", "bi", "tools")
    files = [
        file for folder in folders for end in ("py", "sql", "yml") for file in (PROJECT / folder).rglob(f"*.{end}")
    ]
    files += [*PROJECT.glob("*.in"), PROJECT / "pyproject.toml", PROJECT / "Makefile"]
    assert [
        f"{file.relative_to(PROJECT)}:{number}"
        for file in files
        if file != Path(__file__)
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if cited.search(line)
    ] == []


def test_every_room_is_in_the_architecture() -> None:
    """Each folder of the package stands in the table of rooms, on the floor that the lint holds."""
    spec = importlib.util.spec_from_file_location("floors", PROJECT / "tools" / "floors.py")
    assert spec is not None
    assert spec.loader is not None
    floors = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(floors)
    rows = re.findall(r"^\| (top|ground|\d*) ?\| `([\w]+)`", DOCS["architecture.md"], re.MULTILINE)
    floor, described = "", {}
    for number, room in rows:
        floor = number or floor
        described[room] = floor
    rooms = {folder.parent.name for folder in (PROJECT / "plugins" / "stockbook").glob("*/__init__.py")}

    assert rooms <= described.keys()
    assert {room: str(floors.FLOOR_OF[room]) for room in rooms} == {room: described[room] for room in rooms}


def test_the_decisions_are_numbered_and_whole() -> None:
    """Every decision has a number of its own, its context, choice and price, and stands in the index."""
    pages = {name: text for name, text in DOCS.items() if name.startswith("decisions/") and "README" not in name}
    decisions = [part for text in pages.values() for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]]
    numbers = [int(part.split(".")[0]) for part in decisions]

    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert [
        part.splitlines()[0]
        for part in decisions
        if re.findall(r"\*\*(\w+)\.\*\*", part) != ["Context", "Choice", "Price"]
    ] == []
    index = DOCS["decisions/README.md"]
    assert [head for part in decisions if (head := part.splitlines()[0].replace(". ", " ", 1)) not in index] == []
    assert [name for name in pages if f"]({name.removeprefix('decisions/')})" not in index] == []


def test_the_changelog_is_by_version_and_date() -> None:
    """Unreleased, then each version with its day, newest first, this one among them, by Added, Changed and Fixed."""
    heads = re.findall(r"^## (.+)$", DOCS["CHANGELOG.md"], re.MULTILINE)
    versions = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d\d-\d\d)", head) for head in heads[1:]]

    assert heads[0] == "Unreleased"
    assert all(versions)
    order = [(tuple(map(int, version.groups()[:3])), version[4]) for version in versions if version]
    assert order == sorted(order, reverse=True)
    assert VERSION in [head.split(" - ")[0] for head in heads]
    assert set(re.findall(r"^### (.+)$", DOCS["CHANGELOG.md"], re.MULTILINE)) == {"Added", "Changed", "Fixed"}


def test_every_table_and_column_is_described(tables: dict[str, Table]) -> None:
    """No declaration is without a sentence on the table and on each of its columns."""
    assert len(tables) > 50
    assert [name for name, table in tables.items() if len(table.description) < 10] == []
    assert [
        f"{name}.{column}"
        for name, table in tables.items()
        for column, c in table.columns.items()
        if len(c.description) < 4
    ] == []


def test_the_contract_names_what_is_declared(tables: dict[str, Table]) -> None:
    """Every table of docs/contract.md is declared, with every column that the page says will stay."""
    parts = {
        layer: DOCS["contract.md"].split(f"### {layer}\n")[1].split("\n#")[0]
        for layer in ("staging", "marts", "reports", "meta")
    }
    rows = [
        (f"{layer}.{name}", re.findall(r"`([a-z]\w+)`", columns))
        for layer in ("marts", "meta")
        for name, columns in re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", parts[layer], re.MULTILINE)
    ]
    rows += [
        (f"{layer}.{name}", [])
        for layer in ("staging", "reports")
        for name in re.findall(r"`([a-z]\w+)`", parts[layer].split("\n\n")[0])
    ]

    assert len(rows) > 60
    assert [name for name, _ in rows if name not in tables] == []
    assert [
        f"{name}.{column}" for name, columns in rows for column in columns if column not in tables[name].columns
    ] == []


def test_the_contract_tables_are_declared(tables: dict[str, Table]) -> None:
    """What others rely on is there under the name they rely on."""
    published = {
        "marts": "dim_date dim_calendar dim_variant dim_delivery_method dim_order_status fct_order fct_order_line "
        "fct_stock_movement fct_stock_balance fct_stock_reconciliation fct_receiving_line fct_fulfillment fct_price "
        "fct_order_event fct_cost_allocation fct_issue_cost fct_stock_layer",
        "reports": "stock_value_on stock_value_daily stock_reconciliation_open sla_daily sla_by_delivery_method "
        "sla_late_orders backlog lead_time_percentiles problem_orders receiving_accuracy data_freshness",
        "meta": "run listing check_result cursor",
    }  # fmt: skip
    wanted = {f"{layer}.{name}" for layer, names in published.items() for name in names.split()}
    assert wanted - tables.keys() == set()


def test_nothing_reads_the_systems_clock_but_the_clock() -> None:
    """Time is an argument: only clock.py asks the machine, and no model asks the database."""
    python = [file for file in (PROJECT / "plugins").rglob("*.py") if file.name != "clock.py"]
    reads = r"datetime\.(now|utcnow|today)\(|date\.today\(|time\.time\(|time\.monotonic\("
    models = list((PROJECT / "include").rglob("*.sql*"))
    asks = r"current_(date|timestamp)|\bnow\(\)|\btoday\(\)"

    assert [str(file) for file in python if re.search(reads, file.read_text())] == []
    assert [str(file) for file in models if re.search(asks, Path(file).read_text())] == []
