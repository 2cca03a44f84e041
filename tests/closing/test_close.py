"""What a close signs, that it shows at once and stays, and what is refused with the next step."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from closing_rig import NOVEMBER, OCTOBER, SEPTEMBER, Closing, copied

from stockbook.clock import ManualClock
from stockbook.closing import chain, signing
from stockbook.closing.landed import read_all
from stockbook.cost_methods import FIGURES
from stockbook.errors import CloseRefused, ConfigError, DiskRefused, LandingDamaged, RunLocked
from stockbook.night import landings
from stockbook.runs.context import Parameters
from stockbook.runs.lock import CLOSE

FLOWS = (
    "opening",
    "receipts",
    "returns",
    "transformations_in",
    "issues",
    "transformations_out",
    "settlements",
    "closing",
)


@pytest.fixture(scope="module")
def night(home_after_a_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Closing:
    """The home before anything is closed."""
    return Closing(copied(home_after_a_night, tmp_path_factory.mktemp("night") / "home"))


@pytest.fixture(scope="module")
def closed(night: Closing, tmp_path_factory: pytest.TempPathFactory) -> Closing:
    """September and October closed; not to be written."""
    closing = Closing(copied(night.home, tmp_path_factory.mktemp("closed") / "home"))
    closing.close(SEPTEMBER, by="Jana Nováková", note="the first")
    closing.close(OCTOBER)
    return closing


@pytest.fixture
def closing(closed: Closing, tmp_path: Path) -> Closing:
    """A copy of it."""
    return Closing(copied(closed.home, tmp_path / "home"))


@pytest.mark.parametrize("month", [SEPTEMBER, OCTOBER])
def test_a_close_signs_the_statement_of_its_month(month: date, night: Closing, closed: Closing) -> None:
    """Each flow of each variant and pool, in pieces and all values, as the monthly statement had it before."""
    names = [f"{flow}_quantity" for flow in FLOWS if flow != "settlements"]
    names += [f"{figure}_{flow}" for figure in FIGURES for flow in FLOWS] + [f"{flow}_value" for flow in FLOWS]
    query = f"select variant_id, pool, {', '.join(names)} from {{}} where month = ? order by all"

    statement = night.rows(query.format("reports.stock_movements_monthly"), [month])

    assert len(statement) > 50
    assert closed.rows(query.format("marts.fct_period_close_line"), [month]) == statement
    # the statement goes on as before, now from what is signed
    assert closed.rows(query.format("reports.stock_movements_monthly"), [month]) == statement


@pytest.mark.parametrize("month", [SEPTEMBER, OCTOBER])
def test_what_is_signed_is_what_was_known_at_the_night(month: date, closed: Closing) -> None:
    """Closing pieces and all values are those of stock_value_on_as_known, variant by variant."""
    figures = ", ".join(f"{figure}_value" for figure in FIGURES)
    sums = ", ".join(f"sum({figure}_closing) filter (where pool = 'sellable')" for figure in FIGURES)
    (last_day, known_on), *_ = closed.rows(
        "select cast(as_of as date) - 1, known_on from marts.fct_period_close where month = ?", [month]
    )

    of_that_night = closed.rows(
        f"select variant_id, quantity, damaged_quantity, {figures} from reports.stock_value_on_as_known(?, ?) "
        "where quantity <> 0 or damaged_quantity <> 0 order by all",
        [last_day, known_on],
    )
    signed = closed.rows(
        f"""
        select
            variant_id,
            sum(closing_quantity) filter (where pool = 'sellable'),
            coalesce(sum(closing_quantity) filter (where pool = 'damaged'), 0) as damaged,
            {sums}
        from marts.fct_period_close_line where month = ? group by variant_id
        having sum(closing_quantity) filter (where pool = 'sellable') <> 0 or damaged <> 0 order by all
        """,
        [month],
    )

    assert len(of_that_night) > 20
    assert signed == of_that_night


def test_cost_of_goods_is_signed_by_pool(closed: Closing) -> None:
    """Both pools together are cogs_monthly."""
    query = "select month, variant_id, sum(cogs), sum(fifo_bare_cogs) from {} where month < ? group by all order by all"
    of_months = closed.rows(query.format("reports.cogs_monthly"), [NOVEMBER])

    assert len(of_months) > 50
    signed = closed.rows(query.format("marts.fct_period_close_line"), [NOVEMBER])
    assert [row for row in signed if row[2:] != (0, 0)] == [row for row in of_months if row[2:] != (0, 0)]


def test_a_month_opens_with_what_was_signed(closing: Closing) -> None:
    """What the end of September gained since it was signed is a correction of October, and the month still adds up."""
    closing.tamper(
        "update marts.fct_period_close_line set closing_quantity = closing_quantity - 2, closing_value = closing_value "
        "- 7.5, average_landed_closing = average_landed_closing - 7.5 where month = '2025-09-01' and pool = 'sellable' "
        "and variant_id = (select min(variant_id) from marts.fct_period_close_line where opening_quantity <> 0)",
        "delete from marts.fct_period_close where month = '2025-10-01'",
    )

    corrected = closing.rows(
        "select corrections_quantity, corrections_value, average_landed_corrections, fifo_landed_corrections, "
        "closing_quantity = opening_quantity + receipts_quantity + returns_quantity + transformations_in_quantity "
        "- issues_quantity - transformations_out_quantity + corrections_quantity "
        "from intermediate.closable_month(date '2025-10-01', true) "
        "where corrections_quantity <> 0 or corrections_value <> 0"
    )

    assert [tuple(map(float, row)) for row in corrected] == [(2, 7.5, 7.5, 0, True)]


def test_books_of_another_version_are_closed_after_a_night(closing: Closing) -> None:
    """A published file without what this version signs from: the next step, not DuckDB's words."""
    closing.tamper("drop macro table intermediate.closable_month")

    with pytest.raises(CloseRefused, match="written by another version of Stockbook: run a night"):
        closing.close(OCTOBER, supersede=True, reason="a wrong price")


def test_a_close_says_who_when_and_under_which_policy(closed: Closing) -> None:
    """The row of the close has all of it, and the chain goes from close to close."""
    first, second = closed.rows("select * from marts.fct_period_close order by month")
    names = [name for name, *_ in closed.rows("describe marts.fct_period_close")]
    close = dict(zip(names, first, strict=True))

    assert close["closed_by"] == "Jana Nováková"
    assert close["note"] == "the first"
    assert (close["as_of"], close["known_on"]) == (datetime(2025, 10, 1), date(2025, 11, 18))
    assert [(close["known_at"],)] == closed.rows("select as_of from meta.current_run")
    assert close["closed_at"] == datetime(2025, 11, 18, 9, 0)
    assert close["run_id"] == "first"
    assert "valuation_currency" in close["settings"]
    assert "valuation.yml" in close["settings"]
    assert dict(zip(names, second, strict=True))["previous_digest"] == close["digest"]
    assert close["previous_digest"] is None


def test_the_first_open_month_of_the_statement_is_what_would_be_signed(closed: Closing) -> None:
    """The monthly report and a close say the same of it, corrections and names included."""
    names = [name for name, *_ in closed.rows("describe reports.stock_movements_monthly") if name != "month"]
    query = f"select {', '.join(names)} from {{}} order by account, variant_id, pool"

    statement = closed.rows(query.format("reports.stock_movements_monthly where month = date '2025-11-01'"))

    assert len(statement) > 50
    for is_again in ("false", "true"):
        assert closed.rows(query.format(f"intermediate.closable_month(date '2025-11-01', {is_again})")) == statement


def test_a_dry_run_writes_nothing(night: Closing) -> None:
    """It shows the lines, and what speaks against signing them."""
    before = night.files()
    [looked] = night.look(OCTOBER)

    assert night.files() == before
    assert looked.draft.lines.num_rows > 50
    assert any(text.startswith("Warnings of the night, ") for text in looked.objections)


def test_what_speaks_against_it_is_said(night: Closing, tmp_path: Path) -> None:
    """Differences to the warehouse's count, missing costs, pieces owed, nights that are missing, late restatements."""
    closing = Closing(copied(night.home, tmp_path / "home"))
    closing.tamper(
        "update marts.fct_stock_reconciliation set quantity_diff = 3 where quantity_diff = 0 and variant_id = "
        "(select min(variant_id) from marts.fct_stock_reconciliation)",
        "update marts.fct_stock_balance set missing_cost_quantity = 5 where variant_id = "
        "(select min(variant_id) from marts.fct_stock_balance where quantity > 0) and pool = 'sellable'",
        "update reports.stock_movements_monthly set closing_quantity = -4 where month = '2025-10-01' "
        "and pool = 'damaged'",
        "insert into meta.run (run_id, as_of, started_at, status, full_refresh, observes, version) "
        "values ('older', '2025-11-15 02:15', now(), 'published', false, true, '-')",
        "insert into marts.fct_stock_revision (account, variant_id, pool, known_from, cause, valid_from, "
        "quantity_change) values ('main', 1, 'sellable', '2025-11-17', 'late', '2025-10-31', 6)",
    )

    texts = " ".join(closing.look(OCTOBER)[0].objections)

    assert re.search(r"Other than the warehouse's own count of 2025-11-\d\d: \d+ variants?, by \d+ pieces", texts)
    assert re.search(r"Worth nothing, for no cost is known: \d+ pieces of \d+ lines?; reports.missing_costs", texts)
    assert re.search(r"Below zero at the end of the month: \d+ lines?, by \d+ pieces; more left than", texts)
    assert "Without a published night, from 2025-11-15 to 2025-11-18, 2 days: 2025-11-16, 2025-11-17." in texts
    assert "1 revision of 1 variant, 6 pieces" in texts


def test_a_superseded_close_stays(closing: Closing) -> None:
    """Both are there; the newer one is in force and says why."""
    [close] = closing.close(OCTOBER, supersede=True, reason="booked twice").closes

    assert close.sequence == 2
    rows = closing.rows(
        "select sequence, superseded_by, is_in_force, reason from marts.fct_period_close where month = ? order by all",
        [OCTOBER],
    )
    assert rows == [(1, 2, False, None), (2, None, True, "booked twice")]
    lines = closing.rows(
        "select sequence, count(*) from marts.fct_period_close_line where month = ? group by all order by all",
        [OCTOBER],
    )
    assert lines[0][1] == lines[1][1] == close.line_count
    assert closing.verify().problems == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"month": NOVEMBER}, r"2025-11 is not over: it ends on 2025-12-01 at midnight of Europe/Prague"),
    (
        {"month": date(2025, 7, 1)},
        r"lies before the first movement, which is of 2025-08-\d\d: the first month to close",
    ),
    ({"month": OCTOBER}, r"closed already \(main/2025-10/1, signed by Jana on 2025-11-18\).*--supersede --reason"),
    ({"month": SEPTEMBER}, r"before its last closed month, 2025-10.*correction in the first open month, 2025-11"),
    ({"month": SEPTEMBER, "supersede": True, "reason": "r"}, r"Only the last close can be superseded"),
    ({"month": OCTOBER, "supersede": True}, r"superseded only for a reason: say which with --reason"),
    ({"month": OCTOBER, "reason": "r"}, r"add --supersede"),
    ({"month": OCTOBER, "by": "  "}, r"say who with --by NAME"),
    ({"month": OCTOBER, "account": "mian"}, r"Account mian has no movement.*expected one of main"),
]


@pytest.mark.parametrize(("said", "message"), REFUSED)
def test_what_cannot_be_closed_is_refused_and_leaves_no_trace(
    said: dict[str, Any], message: str, closed: Closing
) -> None:
    """One sentence with the next step."""
    before = closed.files()
    with pytest.raises(CloseRefused, match=message):
        closed.close(**said)
    assert closed.files() == before


def test_a_month_that_no_night_saw_to_its_end_is_refused(closed: Closing) -> None:
    """It is over by the clock; what is published ends before."""
    with pytest.raises(CloseRefused, match=r"not seen to its end by a complete night.*as of 2025-11-18.*Run a night"):
        Closing(closed.home, clock=ManualClock(datetime(2025, 12, 5, tzinfo=UTC))).close(NOVEMBER)


def test_a_gap_before_a_month_is_refused(closing: Closing) -> None:
    """December, when November was never closed."""
    closing.seen("2026-01-02")
    with pytest.raises(CloseRefused, match=r"the last one of account main is 2025-10, so 2025-11 comes before 2025-12"):
        closing.close(date(2025, 12, 1))


def test_nothing_to_supersede_is_refused(night: Closing, closing: Closing) -> None:
    """No month is closed, or not this one."""
    with pytest.raises(CloseRefused, match=r"No month of account main is closed"):
        night.close(OCTOBER, supersede=True, reason="r")
    closing.seen("2025-12-02")
    with pytest.raises(CloseRefused, match=r"2025-11 of account main is not closed"):
        closing.close(NOVEMBER, supersede=True, reason="r")


def test_an_account_that_is_gone_is_refused(night: Closing, tmp_path: Path) -> None:
    """The last published night did not read it: its figures are older than the month."""
    closing = Closing(copied(night.home, tmp_path / "home"))
    closing.tamper("update meta.cursor set as_of = '2025-10-12 02:15'")
    with pytest.raises(
        CloseRefused, match=r"was last read as of 2025-10-12 02:15, before 2025-10 ended: bring its conn"
    ):
        closing.close(OCTOBER)


def test_another_midnight_is_refused(night: Closing) -> None:
    """The setting names another zone than the one whose days were published."""
    with pytest.raises(CloseRefused, match=r"midnight of Europe/Prague, and STOCKBOOK_ZONE is Asia/Tokyo"):
        Closing(night.home, {"STOCKBOOK_ZONE": "Asia/Tokyo"}).close(OCTOBER)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "valuation_currency: CZK",
            "valuation_currency: EUR",
            r"valuation currency EUR, and the published figures are of CZK",
        ),
        (
            "method: average",
            "method: fifo",
            r"headline method fifo, and the published figures are of average: run a night",
        ),
    ],
)
def test_a_policy_that_is_not_the_published_one_is_refused(
    before: str, after: str, message: str, night: Closing, tmp_path: Path
) -> None:
    """A close would say another policy than its figures are of."""
    policy = tmp_path / "policy"
    policy.mkdir()
    for file in night.settings.policy_dir.glob("*.yml"):
        text = file.read_text()
        (policy / file.name).write_text(text.replace(before, after) if file.name == "valuation.yml" else text)
    assert after in (policy / "valuation.yml").read_text()
    with pytest.raises(CloseRefused, match=message):
        Closing(night.home, {"STOCKBOOK_POLICY_DIR": str(policy)}).close(OCTOBER)


def test_other_money_than_the_close_before_is_refused(closing: Closing, tmp_path: Path) -> None:
    """A month cannot open with crowns and close with euros: such books begin in a home of their own."""
    policy = tmp_path / "policy"
    policy.mkdir()
    for file in closing.settings.policy_dir.glob("*.yml"):
        (policy / file.name).write_text(file.read_text().replace("valuation_currency: CZK", "valuation_currency: EUR"))
    closing.variables["STOCKBOOK_POLICY_DIR"] = str(policy)
    closing.tamper(
        "update marts.dim_valuation_setting set valuation_currency = 'EUR'",
    )
    closing.seen("2025-12-02")
    with pytest.raises(CloseRefused, match=r"signed with valuation currency CZK, and now it is EUR.*home of their own"):
        closing.close(NOVEMBER)


def test_a_reader_of_a_lake_signs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the home of no account; a machine that has one has the store and the control database too."""
    from stockbook.cli.close import close

    monkeypatch.setenv("STOCKBOOK_LAKE", "postgresql://lake.example/lake")
    with pytest.raises(ConfigError, match=r"STOCKBOOK_STORE, STOCKBOOK_CONTROL_URL must be set too"):
        close("2025-10", account="", by="Jana", note="", dry_run=False, supersede=False, reason="")


def test_a_close_waits_for_no_night(night: Closing, tmp_path: Path) -> None:
    """It is refused while one is under way; a night waits for a close, as for a drain."""
    closing = Closing(copied(night.home, tmp_path / "home"))
    lock = closing.night.lock
    lock.take("a-night", whole_run_here=True)
    with lock.step("a-night", "load"), pytest.raises(RunLocked, match="a-night is under way"):
        closing.close(OCTOBER)
    lock.release("a-night")

    began = closing.clock.monotonic()
    lock.take("a-close", whole_run_here=True)
    with lock.step("a-close", CLOSE), pytest.raises(RunLocked):
        closing.night.lock.take("a-night")
    assert closing.clock.monotonic() > began


def test_a_close_that_fails_signed_nothing(night: Closing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes nothing more: no file of the close is left, and the month can be closed afterwards."""
    closing = Closing(copied(night.home, tmp_path / "home"))
    before = closing.files()

    def refuse(*_: object) -> None:
        raise DiskRefused("the disk is full")

    for failing in ("write_lines", "amend", "write_close"):
        with monkeypatch.context() as patch:
            patch.setattr(signing, failing, refuse)
            with pytest.raises(DiskRefused):
                closing.close(OCTOBER)
        assert closing.files() == before, failing

    closing.close(OCTOBER)
    assert closing.verify().problems == []


def test_a_landed_close_that_somebody_edited_stops_the_next(closing: Closing) -> None:
    """Nothing is signed on it, and a night that builds on it is red."""
    file = closing.settings.closes / "main" / "2025-09.1.json"
    file.write_text(file.read_text().replace("Jana Nov", "Jiří Nov"))
    damaged = r"closes/main/2025-09.1.json is not as it was signed.*from a backup"
    with pytest.raises(LandingDamaged, match=damaged):
        closing.close(OCTOBER, supersede=True, reason="r")
    with pytest.raises(LandingDamaged, match=damaged):
        chain.require(closing.settings)


def test_old_pages_go_and_closes_stay(closing: Closing) -> None:
    """Landed nights are too old after a while, what people signed never."""
    landings.open_folder(closing.settings, datetime(2025, 11, 1, 2), Parameters(), closing.clock)
    too_old = [folder for folder, _ in landings.opened_before(closing.settings, datetime(2099, 1, 1, tzinfo=UTC))]

    assert {folder.parent for folder in too_old} == {closing.settings.landing}
    assert closing.settings.closes not in too_old
    assert len(read_all(closing.settings.closes)) == 2


def test_the_command_signs_and_verifies(
    night: Closing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`stockbook close` prints the statement and the digest; `verify` ends with 1 where something differs."""
    import typer

    from stockbook.cli.close import close

    closing = Closing(copied(night.home, tmp_path / "home"))
    for name, text in closing.settings.written.items():
        monkeypatch.setenv(name, text)
    command: Callable[..., None] = close
    said = {"account": "", "by": "", "note": "", "dry_run": True, "supersede": False, "reason": "", "repair": False}
    command("2025-10", **said)
    assert "Nothing was signed: this was a dry run." in capsys.readouterr().out
    command("2025-10", **(said | {"by": "Jana", "dry_run": False}))
    printed = capsys.readouterr().out
    (cost_of_goods,) = [line for line in printed.splitlines() if "cost of goods" in line]
    sellable, damaged, both = (Decimal(text.replace(",", "")) for text in cost_of_goods.split()[3:])
    assert abs(sellable + damaged - both) <= Decimal("0.01")
    assert "Signed by Jana: close main/2025-10/1, digest " in printed
    command("verify", **said)
    assert "Everything is as it was signed: 1 close." in capsys.readouterr().out

    closing.tamper("update marts.fct_period_close set closed_by = 'Eva'")
    with pytest.raises(typer.Exit):
        command("verify", **said)
    assert "NO  main/2025-10/1 is not as it was signed in the published file: closed_by" in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"must be written as 2026-10 \(YYYY-MM\); got 'october'"):
        command("october", **said)
    with pytest.raises(ConfigError, match="--repair goes with verify"):
        command("2025-10", **(said | {"repair": True}))


@pytest.mark.airflow
def test_the_button_in_airflow_looks_and_signs(
    night: Closing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The DAG's parameters as its task takes them; what is refused is a failure that no other try heals."""
    from airflow.sdk.exceptions import AirflowFailException

    from stockbook.orchestration.closing import close_month

    closing = Closing(copied(night.home, tmp_path / "home"))
    for name, text in closing.settings.written.items():
        monkeypatch.setenv(name, text)
    params = {"month": "2025-10", "account": "", "by": "", "note": None, "dry_run": True, "supersede": False}

    assert close_month({"params": params}) == "Nothing was signed: this was a dry run."
    assert close_month({"params": params | {"by": "Jana", "dry_run": False}}).startswith(
        "Signed by Jana: close main/2025"
    )
    assert [close.closed_by for close in closing.verify().closes] == ["Jana"]
    with pytest.raises(AirflowFailException, match="CloseRefused: 2025-10 of account main is closed already"):
        close_month({"params": params | {"by": "Jana", "dry_run": False}})
