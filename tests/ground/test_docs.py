"""The documents say what is there, and what they tell to run works."""

import configparser
import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from checkout import PROJECT

from stockbook import connections
from stockbook.cli.main import app
from stockbook.declarations import Table
from stockbook.runs.context import Parameters

DOCS = {file.name: file.read_text() for file in [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]}
EVERYTHING = "\n".join(DOCS.values())
SOURCE = "\n".join(file.read_text() for folder in ("plugins", "dags") for file in (PROJECT / folder).rglob("*.py"))


def test_every_setting_is_documented() -> None:
    """Each STOCKBOOK_ variable the code reads stands in the table of settings."""
    read = set(re.findall(r"\bSTOCKBOOK_[A-Z_]+\b", SOURCE)) - {"STOCKBOOK_ORDERS"}

    assert len(read) > 10
    assert sorted(name for name in read if f"`{name}`" not in DOCS["running.md"]) == []


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
    told = set(re.findall(r"\bmake ([a-z-]+)", DOCS["README.md"]))

    assert told
    assert told <= targets


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
    found = connections.accounts(
        connections.conn_ids_in_environment(environ), lambda conn_id: connections.from_environment(conn_id, environ)
    )
    assert [account.base_url for account in found] == [
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


@pytest.mark.parametrize("name", DOCS)
def test_every_link_leads_somewhere(name: str) -> None:
    """Relative links of a document are files of the project."""
    folder = PROJECT if name == "README.md" else PROJECT / "docs"
    links = [link.split("#")[0] for link in re.findall(r"\]\((?!https?:)([^)]+)\)", DOCS[name])]
    assert [link for link in links if link and not (folder / link).exists()] == []


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


def test_the_sql_is_in_house_style() -> None:
    """Models are lower case and begin with what they are; a star stands only for a CTE of the model's own."""
    files = [
        file
        for layer in ("intermediate", "marts", "reports")
        for file in (PROJECT / "include" / "sql" / layer).rglob("*.sql")
    ]
    assert len(files) > 20
    for file in files:
        lines = file.read_text().strip().splitlines()
        code = [line.split("--")[0] for line in lines]
        assert lines[0].startswith("-- "), file.name
        assert not re.search(r"\b(SELECT|FROM|WHERE|JOIN|GROUP BY)\b", "\n".join(code)), file.name
        assert not re.search(r"select \*[^;]*?from \w+\.\w+", "\n".join(code)), file.name


def test_nothing_reads_the_systems_clock_but_the_clock() -> None:
    """Time is an argument: only clock.py asks the machine, and no model asks the database."""
    python = [file for file in (PROJECT / "plugins").rglob("*.py") if file.name != "clock.py"]
    reads = r"datetime\.(now|utcnow|today)\(|date\.today\(|time\.time\(|time\.monotonic\("
    models = list((PROJECT / "include").rglob("*.sql*"))
    asks = r"current_(date|timestamp)|\bnow\(\)|\btoday\(\)"

    assert [str(file) for file in python if re.search(reads, file.read_text())] == []
    assert [str(file) for file in models if re.search(asks, Path(file).read_text())] == []
