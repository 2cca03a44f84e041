"""
Lose any one file of a home, or flip any one bit of one: the doctor names it, and the documented way brings it back.

``make proof-restore`` plants forty over a real home (``RESTORE_PLANTS``); here each kind is planted once.
"""

import dataclasses
import fcntl
import os
import random
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from backed_up import LISTING, NIGHT, NOW, back_up, flip, nobody, settings_of, small_home, tree
from checkout import PROJECT
from closing_rig import OCTOBER, Closing, copied
from night_rig import KEY, Rig
from shared_home import SECOND, small_shop
from typer.testing import CliRunner

from stockbook.backup import integrity
from stockbook.backup import store as stores
from stockbook.backup.contents import INBOX, PUBLISHED, WAREHOUSE, gone, place_of
from stockbook.backup.restore import bring_back, restore
from stockbook.backup.store import Folder
from stockbook.backup.take import leftover
from stockbook.cli.main import app
from stockbook.clock import ManualClock
from stockbook.landing.rewriting import Rewriting
from stockbook.settings import Settings
from stockbook.warehouse.publish import state_of_files
from stockbook_sandbox import running

CLOCK = ManualClock(NOW)
KINDS = (
    WAREHOUSE,
    PUBLISHED,
    INBOX,
    f"{LISTING}/page-00001.ndjson.zst",
    f"{LISTING}/manifest.json",
    f"{LISTING}/answered.ndjson",
    f"landing/{NIGHT}/opened.json",
    "landing/closes/main/2026-10.1.json",
    "landing/closes/main/2026-10.1.parquet",
    "state/hash-key.fingerprint",
    "state/closes.json",
    "runs/r1/run.json",
    "erasures.jsonl",
    "policy/sla.yml",
)
BESIDE = "published/(?!packs|warehouse)"
REAL_KINDS = (
    WAREHOUSE,
    PUBLISHED,
    BESIDE,
    "published/packs/",
    "landing/.*/page-",
    "landing/.*/manifest",
    "landing/.*/answered",
    "landing/.*/opened",
    "landing/.*/loaded",
    "landing/closes/.*json",
    "landing/closes/.*parquet",
    "state/hash",
    "state/closes",
    "runs/",
    "policy/",
)
PLANTS = int(os.environ.get("RESTORE_PLANTS", "0"))


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small home, its policies and its store in one folder; not to be written."""
    folder = tmp_path_factory.mktemp("drill")
    back_up(small_home(folder), Folder(folder / "store"))
    return folder


@pytest.fixture
def folder(backed_up: Path, tmp_path: Path) -> Path:
    """A copy of it, files with their times."""
    return Path(shutil.copytree(backed_up, tmp_path / "drill"))


def settings_in(folder: Path) -> Settings:
    return settings_of(folder / "home", folder / "policy")


def named(settings: Settings) -> list[str]:
    """What the doctor says of the home's files that is not well."""
    looked = [*integrity.looks(settings, CLOCK, deep=True), *state_of_files(settings, is_writing=False)]
    return [text for good, text in looked if not good]


def brought_back(settings: Settings, store: Folder, path: str) -> Settings:
    """The home after the way back that docs/backup.md has for a file."""
    if path == INBOX:
        # receivers make a new one, and `hooks reread` asks for what events named
        for file in settings.state.glob("inbox.db*"):
            file.unlink()
        return settings
    if path == WAREHOUSE:
        shutil.rmtree(settings.home)
        restore(settings, store, CLOCK, nobody)
    else:
        bring_back(settings, store, CLOCK, path, nobody)
    return settings


def drilled(settings: Settings, store: Folder, path: str, loss: bool, place: int | None = None) -> None:
    """Plant one, ask the doctor, go the way back, and compare."""
    before, file = tree(settings.home), place_of(settings, path)
    if loss:
        file.unlink()
    elif path == INBOX:
        flip(file, file.read_bytes().index(b'{"n": 7}') + 3)
    else:
        flip(file, place)
    problems = [text for good, text in integrity.looks(settings, CLOCK, deep=True) if not good]
    assert any(problem.startswith(path) for problem in problems), (path, loss, place, problems)
    after = brought_back(settings, store, path)
    assert tree(after.home) == before, path
    if path in (WAREHOUSE, PUBLISHED):
        # nor has DuckDB anything to say
        assert named(after) == []
    elif path != INBOX:
        assert all(good for good, _ in integrity.looks(after, CLOCK, deep=True)), path


@pytest.mark.parametrize("loss", [True, False], ids=["lost", "flipped"])
@pytest.mark.parametrize("path", KINDS)
def test_each_kind_of_file(folder: Path, path: str, loss: bool) -> None:
    """Named, and back as it was."""
    drilled(settings_in(folder), Folder(folder / "store"), path, loss)


def test_nothing_is_named_in_a_whole_home(folder: Path) -> None:
    """Before the first backup, after it, and after a night that wrote since."""
    settings = settings_in(folder)
    assert named(settings) == []
    settings.published.write_bytes(settings.warehouse.read_bytes())
    (settings.runs / "r2").mkdir()
    (settings.runs / "r2" / "run.json").write_text("{}")
    with (settings.home / "erasures.jsonl").open("ab") as list_:
        list_.write(b'{"kind": "person", "mark": "two"}\n')
    assert named(settings) == []
    (settings.state / "last-backup.json").unlink()
    assert named(settings) == []
    assert any("none was taken yet" in text for _, text in integrity.looks(settings, CLOCK))


def test_what_has_its_own_checksum_needs_no_backup(folder: Path) -> None:
    """Pages, manifests and closes of a home that was never backed up."""
    settings = settings_in(folder)
    (settings.state / "last-backup.json").unlink()
    for path in (f"{LISTING}/page-00002.ndjson.zst", f"{LISTING}/manifest.json", "landing/closes/main/2026-10.1.json"):
        file = settings.home / path
        content = file.read_bytes()
        flip(file)
        assert [problem.split(" ")[0] for problem in named(settings)] == [path]
        file.write_bytes(content)


def test_the_doctor_asks_the_store(folder: Path) -> None:
    """With --try: how many backups it has, or why it does not answer."""
    settings = dataclasses.replace(settings_in(folder), backup_to=str(folder / "store"))
    assert integrity.of_store(settings) == (True, "store of backups: it answers and has 1, the last 20261127T033000Z")
    away = dataclasses.replace(settings, backup_to="s3://nowhere/at/all")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        patch.setattr(stores, "_ALL_TRIES", timedelta(seconds=1))
        good, text = integrity.of_store(away)
    assert not good
    assert "127.0.0.1" not in text


def test_a_page_that_was_written_anew_is_no_loss(folder: Path) -> None:
    """Somebody in it was erased since the backup; one that its manifest names is a loss as ever."""
    settings = settings_in(folder)
    change = Rewriting(lambda row: row.replace(b"1", b"7") if b"1" in row else None, str, lambda: None)
    assert change.rewrite(settings.home / LISTING) == 1
    assert not (settings.home / LISTING / "page-00001.ndjson.zst").exists()
    assert named(settings) == []
    (settings.home / LISTING / "page-00002.ndjson.zst").unlink()
    assert [problem.split(" ")[0] for problem in named(settings)] == [f"{LISTING}/page-00002.ndjson.zst"]


def test_nights_that_are_old_may_go(folder: Path) -> None:
    """What STOCKBOOK_LANDING_DAYS removes is no loss; a night before its time is."""
    settings = settings_in(folder)
    shutil.rmtree(settings.landing / NIGHT)
    assert len(named(settings)) == 6
    late = ManualClock(NOW + timedelta(days=200))
    # files of this test are as old as the machine's clock says
    opened = integrity.last_backup(settings)
    assert opened is not None
    moment = opened.files[f"landing/{NIGHT}/opened.json"].modified / 1e9
    if late.utc().timestamp() - moment > settings.landing_days * 86_400:
        assert [text for good, text in integrity.looks(settings, late) if not good] == []


def test_runs_that_are_old_may_go(folder: Path) -> None:
    """Where retention.yml lets them: a whole run of then is no loss, a file of one that is there still is."""
    settings = settings_in(folder)
    at = integrity.last_backup(settings)
    assert at is not None
    late = ManualClock(datetime.fromtimestamp(at.files["runs/r1/run.json"].modified / 1e9, UTC) + timedelta(days=40))
    shutil.rmtree(settings.runs / "r1")
    assert gone(settings, at.files, late.utc()) == [path for path in at.files if path.startswith("runs/r1/")]
    (settings.policy_dir / "retention.yml").write_text("runs_days: 41")
    assert "runs/r1/run.json" in gone(settings, at.files, late.utc())
    (settings.policy_dir / "retention.yml").write_text("runs_days: 39")
    assert gone(settings, at.files, late.utc()) == []


def test_what_a_killed_backup_left_is_named_until_the_next_one(folder: Path) -> None:
    """With its size and what to do; of a backup that is at work nothing is said."""
    settings = settings_in(folder)
    assert leftover(settings) is None
    left = settings.home / "tmp" / "backup" / "warehouse.duckdb"
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(2_000_000))
    assert leftover(settings) == (
        f"{left.parent} is what a killed backup left, 2.0 MB: the next `stockbook backup` removes it"
    )
    with (left.parent.parent / "backup.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert leftover(settings) is None
    back_up(settings, Folder(folder / "store"))
    assert leftover(settings) is None
    assert not left.parent.exists()


def test_the_doctor_takes_ten_seconds(folder: Path) -> None:
    """What it had no time for it says; --deep reads all."""
    settings = settings_in(folder)

    class Slow(ManualClock):
        def monotonic(self) -> float:
            self.sleep(4)
            return super().monotonic()

    said = " ".join(text for _, text in integrity.looks(settings, Slow(NOW)))
    assert re.search(r"files: \d+ were not read, it takes longer: `stockbook doctor --deep`", said)
    assert "were not read" not in " ".join(text for _, text in integrity.looks(settings, Slow(NOW), deep=True))


@pytest.fixture
def commands() -> list[list[str]]:
    """The words of every command in the blocks of docs/backup.md."""
    text = (PROJECT / "docs" / "backup.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.strip().splitlines()]
    return [line.removeprefix("stockbook ").split() for line in lines if line.strip()]


def test_every_command_of_the_document(
    folder: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is typed as it stands there, in its order, over a home that has lost what it brings back."""
    settings = settings_in(folder)
    (settings.home / "erasures.jsonl").unlink()
    shutil.rmtree(folder / "store")
    (settings.state / "last-backup.json").unlink()
    monkeypatch.setenv("STOCKBOOK_HOME", str(settings.home))
    monkeypatch.setenv("STOCKBOOK_HASH_KEY", KEY)
    monkeypatch.setenv("STOCKBOOK_POLICY_DIR", str(PROJECT / "include" / "policy"))
    monkeypatch.setenv(
        "AIRFLOW_CONN_FULFILLMENT_CZ", '{"conn_type": "http", "host": "http://127.0.0.1:9", "password": "x"}'
    )
    spoken = [" ".join(words[:2]) for words in commands]
    assert {"backup --to", "backup verify", "backup list", "restore --from", "doctor --deep"} <= set(spoken)
    before: dict[str, tuple[int, bytes]] = {}
    for words in commands:
        words = [word.replace("/mnt/backups/shop", str(folder / "store")) for word in words]  # noqa: PLW2901  # as typed here
        if words[0] == "restore" and "--only" not in words:
            before = tree(settings.home)
            settings.home.rename(folder / "lost")
        elif "--only" in words:
            place_of(settings, words[-1]).unlink()
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (words, done.output, done.exception)
    assert tree(settings.home) == before


@pytest.mark.skipif(not PLANTS, reason="make proof-restore: forty losses and flips over a real home")
def test_forty_plants_over_a_real_home(home_after_a_night: Path, tmp_path: Path) -> None:
    """Each named, each way back works, and the next night of the home is that of an undisturbed one."""
    chance = random.Random(20)
    policy = Path(shutil.copytree(PROJECT / "include" / "policy", tmp_path / "policy"))
    undisturbed, home = tmp_path / "undisturbed", tmp_path / "home"
    Closing(copied(home_after_a_night, undisturbed, whole=True)).close(OCTOBER)
    shutil.copytree(undisturbed, home)
    settings, store = settings_of(home, policy), Folder(tmp_path / "store")
    backup = back_up(settings, store).backup
    by_kind = {kind: [path for path in backup.files if re.match(kind, path)] for kind in REAL_KINDS}
    assert all(by_kind.values())
    for number in range(PLANTS):
        kind = REAL_KINDS[number % len(REAL_KINDS)]
        path = chance.choice(by_kind[kind])
        size = place_of(settings, path).stat().st_size
        # what lies beside the published file is drawn anew, and may be gone
        loss = not size or (number // len(REAL_KINDS) % 2 == 0 and not re.match(BESIDE, path))
        place = None if loss else chance.randrange(size)
        drilled(settings, store, path, loss, place)
        print(f"{number + 1:3} {'lost' if loss else f'bit of byte {place:,} flipped':32} {path}")
    with running(small_shop(), SECOND) as server:
        figures = []
        for each in (undisturbed, home):
            rig = Rig(server, each, {"STOCKBOOK_POLICY_DIR": str(policy)})
            assert rig.night(SECOND, name="second").status == "published"
            figures.append({name: rig.hashes(name) for name in ("marts", "reports")})
    assert figures[0] == figures[1]
