"""
The pages of a fleet inside Airflow, read-only: every account, and its morning report as a worker left it.

They are drawn from the control database and the store: the API server has no home of any account. As for the page of
one home, Airflow's login does not cover them, and they ask for the logged-in user themselves.
"""

from pathlib import Path

import msgspec
from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader

from stockbook.dag_names import CLOSE_MONTH, FLEET_NIGHTLY
from stockbook.errors import StockbookError, StoreDamaged
from stockbook.export.pack_files import PACKS
from stockbook.fleet import kept_files
from stockbook.fleet.home_index import read_index
from stockbook.fleet.standing import standings
from stockbook.fleet.work import Fleet
from stockbook.morning.locale import locale_if_known, locale_of
from stockbook.morning.page import airflow_html, problem_html
from stockbook.morning.summary import NAME, Summary
from stockbook.morning.texts import Texts
from stockbook.progress import Silent
from stockbook.runs.report import Report

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)

app = FastAPI(title="Stockbook fleet", docs_url=None, redoc_url=None, openapi_url=None)
may_see = Depends(requires_access_dag("GET", param_dag_id=FLEET_NIGHTLY))


@app.get("/", dependencies=[may_see])
def accounts() -> HTMLResponse:
    """Every account at a glance."""
    try:
        run, lines = standings(Fleet.here(Silent()))
    except StockbookError as error:
        return _page(problem_html(str(error), locale_if_known()))
    return _page(_TEMPLATES.get_template("accounts.html").render(run=run, lines=lines))


@app.get("/{account}/", dependencies=[may_see])
def account(account: str) -> HTMLResponse:
    """An account's last night, and what is published of it."""
    try:
        fleet = Fleet.here(Silent())
        if account not in fleet.control.books():
            return _page(Texts(locale_if_known())("page.no_account"), 404)
        written = fleet.run_log.report(fleet.run_log.run().run_id, account)
        last = msgspec.json.decode(written, type=Report) if written else None
        links = {"accounts": "..", "report": "report", "close": f"/dags/{CLOSE_MONTH}"}
        return _page(airflow_html(_summary(fleet, account), last, locale_of(fleet.settings), links))
    except StockbookError as error:
        return _page(problem_html(str(error), locale_if_known()))


@app.get("/{account}/report", dependencies=[may_see])
def report(account: str) -> HTMLResponse:
    """The morning report of an account."""
    try:
        fleet = Fleet.here(Silent())
        if account in fleet.control.books():
            return _page(fleet.store.get(f"reports/{account}/report.html").decode())
    except StoreDamaged:
        pass  # nothing was published yet
    except StockbookError as error:
        return _page(problem_html(str(error), locale_if_known()))
    return _page(Texts(locale_if_known())("page.nothing_short"), 404)


@app.get("/{account}/packs/{name}", dependencies=[may_see])
def pack(account: str, name: str) -> Response:
    """The workbook or the journal of a closed month, to be kept as a file."""
    try:
        fleet = Fleet.here(Silent())
        book = fleet.control.books().get(account)
        digests = read_index(fleet.store, book.home).kept if book is not None and book.home is not None else {}
        path = f"published/{PACKS}/{name}"
        if path in digests:
            content = kept_files.read(fleet.store, account, path, digests[path])
            as_file = {"Content-Disposition": f'attachment; filename="{name}"'}
            return Response(content, media_type="application/octet-stream", headers=HEADERS | as_file)
    except StockbookError as error:
        return _page(problem_html(str(error), locale_if_known()))
    return _page(Texts(locale_if_known())("page.no_pack"), 404)


def _summary(fleet: Fleet, account: str) -> Summary | None:
    try:
        return msgspec.json.decode(fleet.store.get(f"reports/{account}/{NAME}"), type=Summary)
    except (StoreDamaged, msgspec.MsgspecError):
        return None  # drawn anew by the next publication


def _page(text: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(text, status_code=status, headers=HEADERS)
