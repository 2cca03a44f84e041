"""The image and the compose file say what is there: files, users, ports, settings and commands."""

import fnmatch
import importlib.util
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from checkout import PROJECT

from stockbook.cli.main import app
from stockbook.setting_list import SETTINGS

Instruction = tuple[str, str]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("stockbook")]


def stages() -> dict[str, list[Instruction]]:
    """The instructions of each named stage of the Containerfile, those of the stage it is built on before its own."""
    text = re.sub(r"^#.*\n", "", (PROJECT / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    read: dict[str, list[Instruction]] = {}
    name = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            read[name] = list(read.get(base, []))
        else:
            read[name].append((word, " ".join(rest.split())))
    return read


STAGES = stages()
RUN = ("stockbook", "superset", "")


def every(stage: str, word: str) -> list[str]:
    """What an instruction says in a stage, in order."""
    return [rest for name, rest in STAGES[stage] if name == word]


def copied() -> set[str]:
    """What is copied of the checkout, by its path."""
    sources = (line.split()[:-1] for stage in STAGES for line in every(stage, "COPY") if "--from" not in line)
    return {path for line in sources for path in line}


def test_everything_that_is_copied_is_there_and_reaches_the_builder() -> None:
    """Each source is in the checkout and not ignored; what the wheel is made of is among it."""
    rules = (PROJECT / ".dockerignore").read_text().split()
    wanted = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    wheel = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert len(copied()) > 8
    assert [path for path in copied() if not (PROJECT / path).exists()] == []
    assert [path for path in copied() if not any(fnmatch.fnmatch(path, f"{rule}*") for rule in wanted)] == []
    inside = {path for path in wheel["only-include"] if any(Path(path).is_relative_to(source) for source in copied())}
    assert inside == set(wheel["only-include"])


@pytest.mark.parametrize("stage", RUN)
def test_an_image_runs_as_nobody_and_says_whether_it_is_well(stage: str) -> None:
    """The last user has no rights, and there is a health check of a port that the image opens."""
    user = every(stage, "USER")[-1]
    ports = " ".join(every(stage, "EXPOSE")).split()
    (port,) = re.findall(r"127\.0\.0\.1:(\d+)/", every(stage, "HEALTHCHECK")[-1])

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert port in ports
    assert every(stage, "VOLUME") == ["/data"]
    assert STAGES[""] == STAGES["stockbook"]


def test_every_setting_is_one_that_there_is() -> None:
    """Of ours in the list of settings, of Airflow's in its own."""
    spec = importlib.util.find_spec("airflow")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    file = Path(spec.submodule_search_locations[0]) / "config_templates" / "config.yml"
    airflow = yaml.safe_load(file.read_text())
    names = {name for service in SERVICES.values() for name in service.get("environment", {})}
    names |= {name for stage in RUN for line in every(stage, "ENV") for name in re.findall(r"(\w+)=", line)}
    of_airflow = [name.split("__")[1:] for name in names if name.startswith("AIRFLOW__")]

    assert {name for name in names if name.startswith("STOCKBOOK_")} - {*SETTINGS} == set()
    assert len(of_airflow) > 2
    assert [n for n in of_airflow if n[1].lower() not in airflow[n[0].lower()]["options"]] == []


def test_every_service_is_locked_up() -> None:
    """A read-only root, no capabilities, ports on loopback, no secret in the file, and a database nobody reaches."""
    ports = {name: service.get("ports", []) for name, service in SERVICES.items()}

    for service in SERVICES.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    assert ports.pop("postgres") == []
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for of in ports.values() for port in of)
    for name, of in ports.items():
        stage = SERVICES[name].get("build", {}).get("target", "stockbook")
        assert of
        assert {port.rpartition(":")[2] for port in of} <= set(" ".join(every(stage, "EXPOSE")).split())
    secret = [
        text
        for service in SERVICES.values()
        for name, text in service.get("environment", {}).items()
        if re.search("PASSWORD|KEY", name) and not re.fullmatch(r"\$\{\w+(:\?[^}]*)?\}", text)
    ]
    assert secret == []


def test_what_is_mounted_and_waited_for_is_there() -> None:
    """Files of the checkout, declared volumes, services; Superset sees what is published of the books alone."""
    mounts = {name: [volume.split(":") for volume in of.get("volumes", [])] for name, of in SERVICES.items()}
    sources = {source for of in mounts.values() for source, *_ in of}
    waited = {name for service in SERVICES.values() for name in service.get("depends_on", {})}

    assert [path for path in sources if path.startswith("./") and not (PROJECT / path).exists()] == []
    assert {path for path in sources if not path.startswith("./")} == set(COMPOSE["volumes"])
    assert waited <= set(SERVICES)
    assert [mount for mount in mounts["superset"] if mount[0] != "superset"] == [
        ["published", "/books/published", "ro"]
    ]
    assert ["published", "/data/books/published"] in mounts["airflow"]


def test_every_command_is_one_of_ours() -> None:
    """`stockbook setup`, `hooks serve --host` and the like: commands and options that there are."""
    lines = [every(stage, "CMD")[-1] for stage in RUN] + [str(SERVICES[name].get("command", "")) for name in OURS]
    texts = [" ".join(re.sub(r"[\[\]\",']+", " ", line).split()) for line in lines]
    commands = [words.split() for text in texts for words in re.findall(r"stockbook ((?:[\w./-]+ ?)+)", text)]

    assert {words[0] for words in commands} == {"setup", "start", "bi", "hooks"}
    for words in commands:
        command: Any = typer.main.get_command(app)
        rest = list(words)
        while hasattr(command, "commands"):
            command = command.commands[rest.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, words
