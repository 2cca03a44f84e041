"""
The page inside Airflow, read-only, drawn from two small files; nothing here opens DuckDB.

Airflow's login does not cover the routes of plugins: the page asks for the logged-in user itself,
and shows nothing to one who may not see the DAG ``stockbook_nightly``.
"""

from airflow.api_fastapi.core_api.security import requires_access_dag
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse, HTMLResponse, Response

from stockbook.dag_names import CLOSE_MONTH, NIGHTLY
from stockbook.errors import ConfigError
from stockbook.export.pack_files import PACKS
from stockbook.morning.locale import locale_if_known, locale_of
from stockbook.morning.page import airflow_html, problem_html
from stockbook.morning.publish_files import DICTIONARY, REPORT, pages
from stockbook.morning.summary import read
from stockbook.morning.texts import Texts
from stockbook.runs.last_run import last_ended, under_way
from stockbook.settings import Settings

HEADERS = {
    # styles stand in the page; scripts, frames and requests to elsewhere there are none
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}

app = FastAPI(title="Stockbook", docs_url=None, redoc_url=None, openapi_url=None)
may_see = Depends(requires_access_dag("GET", param_dag_id=NIGHTLY))


@app.get("/", dependencies=[may_see])
def glance() -> HTMLResponse:
    """Last night at a glance; a setting that cannot be read is said there too."""
    try:
        return HTMLResponse(_glance(Settings.load()), headers=HEADERS)
    except ConfigError as error:
        return HTMLResponse(problem_html(str(error), locale_if_known()), headers=HEADERS)


def _glance(settings: Settings) -> str:
    links = {"dag": f"/dags/{NIGHTLY}", "close": f"/dags/{CLOSE_MONTH}"} | pages(settings)
    return airflow_html(read(settings), last_ended(settings), locale_of(settings), links, under_way(settings))


def _missing(key: str) -> HTMLResponse:
    return HTMLResponse(Texts(locale_if_known())(key), status_code=404, headers=HEADERS)


@app.get("/report", dependencies=[may_see])
def report() -> Response:
    """The morning report as it lies beside the published file."""
    file = Settings.load().published.parent / REPORT
    if not file.exists():
        return _missing("page.nothing_short")
    return FileResponse(file, media_type="text/html", headers=HEADERS)


@app.get("/packs/{name}", dependencies=[may_see])
def pack(name: str) -> Response:
    """The workbook or the journal of a closed month, to be kept as a file."""
    packs = {file.name: file for file in (Settings.load().published.parent / PACKS).glob("[!.]*")}
    if name not in packs:
        return _missing("page.no_pack")
    return FileResponse(packs[name], filename=name, headers=HEADERS)


@app.get("/dictionary/{name}", dependencies=[may_see])
def dictionary(name: str) -> Response:
    """A page of the data dictionary."""
    folder = Settings.load().published.parent / DICTIONARY
    pages = {file.name: file for file in folder.glob("*.html")}
    if name not in pages:
        return _missing("page.no_page")
    # its index searches with a script of its own
    policy = HEADERS["Content-Security-Policy"] + "; script-src 'unsafe-inline'"
    return FileResponse(pages[name], media_type="text/html", headers=HEADERS | {"Content-Security-Policy": policy})
