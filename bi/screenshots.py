"""
Pictures of the demo for the README and docs: the morning report, the page in Airflow, the dashboards, the dictionary.

    .venv/bin/python bi/screenshots.py [pages|dashboards]     (after `make demo`, with `make bi` installed once)

Needs Chromium; writes docs/pictures/*.png, a third as large where pngquant is installed too, and the picture of paper
where pdftoppm is.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from babel import Locale
from playwright.sync_api import Browser, Page, expect, sync_playwright

from stockbook.bi.serve import USER, Superset, published_file
from stockbook.clock import SystemClock
from stockbook.errors import ConfigError
from stockbook.morning.page import airflow_html, report_html
from stockbook.morning.publish_files import pages
from stockbook.morning.summary import read
from stockbook.runs.last_run import last_ended
from stockbook.settings import Settings

PROJECT = Path(__file__).resolve().parents[1]
PORT = 8097
PICTURES = PROJECT / "docs" / "pictures"
DESK, PHONE = 1280, 375
DASHBOARDS = ("stock", "fulfillment", "shop")


class Look(NamedTuple):
    """A page in a language, a theme and on a screen."""

    name: str
    page: str
    locale: str
    theme: str
    width: int
    height: int


LOOKS = (
    Look("report", "report", "en_GB", "light", DESK, 1400),
    Look("report-dark-cs", "report", "cs_CZ", "dark", DESK, 1400),
    Look("report-phone-cs", "report", "cs_CZ", "light", PHONE, 1500),
    Look("report-phone-dark", "report", "en_GB", "dark", PHONE, 1500),
    Look("page-cs", "page", "cs_CZ", "light", DESK, 900),
    Look("page-dark", "page", "en_GB", "dark", DESK, 900),
    Look("page-phone", "page", "en_GB", "light", PHONE, 900),
)


def main() -> None:
    """Take the pictures that were asked for, or all."""
    kinds = sys.argv[1:] or ["pages", "dashboards"]
    chromium = shutil.which("chromium") or sys.exit("Chromium is needed: apt-get install chromium")
    published = published_file(Settings.load())
    if not isinstance(published, Path):
        raise ConfigError("Pictures are taken of a published file, not of a lake.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if "pages" in kinds:
            of_pages(browser, published)
        if "dashboards" in kinds:
            of_dashboards(browser, published)
        browser.close()


def of_pages(browser: Browser, published: Path) -> None:
    """Report and page in both languages, both themes, on a desk, a phone and paper; a page of the dictionary."""
    settings = Settings.load({"STOCKBOOK_HOME": str(published.parent.parent)})
    summary = read(settings)
    if summary is None:
        raise ConfigError(f"{published.parent} has no summary: run a night first.")
    links = {"dag": "#", "close": "#"} | pages(settings)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        for look in LOOKS:
            locale = Locale.parse(look.locale)
            report = report_html(summary, locale)
            file.write_text(
                report if look.page == "report" else airflow_html(summary, last_ended(settings), locale, links)
            )
            page = looked(browser, look.theme, look.width, look.height)
            page.goto(file.as_uri())
            take(page, look.name)
        file.write_text(report_html(summary, Locale.parse("cs_CZ")))
        page = looked(browser, "dark", DESK, 900)
        page.goto(file.as_uri())
        on_paper(page, "report-print-cs")
    page = looked(browser, "light", DESK, 1000)
    page.goto((published.parent / "dictionary" / "reports.sla_daily.html").as_uri())
    take(page, "dictionary")


def of_dashboards(browser: Browser, published: Path) -> None:
    """Serve, log in, open: each dashboard light and dark in English; three in Czech (desk, paper, phone)."""
    with served(browser, published, "en_GB") as page:
        for name in DASHBOARDS:
            drawn(page, name)
            take(page, name)
            page.emulate_media(color_scheme="dark")
            page.set_viewport_size({"width": 1400, "height": 1300})
            drawn(page, name)
            take(page, f"{name}-dark")
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": 1400, "height": 2600})
    with served(browser, published, "cs_CZ") as page:
        drawn(page, "fulfillment")
        take(page, "fulfillment-cs")
        drawn(page, "stock")
        on_paper(page, "stock-print-cs")
        page.set_viewport_size({"width": PHONE, "height": 1500})
        drawn(page, "stock")
        take(page, "stock-phone-cs")


@contextmanager
def served(browser: Browser, published: Path, locale: str) -> Iterator[Page]:
    """Superset in a language, and a page that is logged in."""
    superset = Superset.at(PROJECT / "data" / "bi", PROJECT / ".venv-bi" / "bin", Locale.parse(locale))
    superset.prepare(published, print)
    process = superset.serve(PORT)
    try:
        superset.wait_until_up(process, PORT, SystemClock())
        page = looked(browser, "light", 1400, 2600)
        page.goto(f"http://127.0.0.1:{PORT}/login/", wait_until="networkidle")
        page.locator("#username, input[name=username]").first.fill(USER)
        page.locator("#password, input[name=password]").first.fill(superset.password)
        page.keyboard.press("Enter")
        page.wait_for_url("**/superset/welcome/**")
        yield page
    finally:
        process.terminate()
        process.wait(timeout=30)


def looked(browser: Browser, theme: str, width: int, height: int) -> Page:
    """A page of a size in a theme."""
    page = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme).new_page()  # type: ignore[arg-type]  # names of a closed set
    page.set_default_timeout(90_000)
    return page


def drawn(page: Page, dashboard: str) -> None:
    """Open a dashboard and wait for its charts."""
    page.goto(f"http://127.0.0.1:{PORT}/superset/dashboard/{dashboard}/")
    page.locator("[data-test-viz-type]").last.wait_for()
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-test='loading-indicator']")).to_have_count(0, timeout=90_000)
    # lines grow into place
    page.wait_for_timeout(2_000)


def take(page: Page, name: str) -> None:
    """Write one picture."""
    file: Path = PICTURES / f"{name}.png"
    page.screenshot(path=file)
    _smaller(file)


def on_paper(page: Page, name: str) -> None:
    """The first sheet of A4."""
    pdftoppm = shutil.which("pdftoppm")
    if pdftoppm is None:
        return
    with tempfile.NamedTemporaryFile(suffix=".pdf") as pdf:
        page.pdf(path=pdf.name, prefer_css_page_size=True, format="A4", print_background=True)
        to_png = [pdftoppm, "-r", "90", "-png", "-f", "1", "-l", "1", "-singlefile", pdf.name, str(PICTURES / name)]
        subprocess.run(to_png, check=True)  # noqa: S603  # our own words
    _smaller(PICTURES / f"{name}.png")


def _smaller(file: Path) -> None:
    if pngquant := shutil.which("pngquant"):
        # pages have few colours; a picture that cannot be had smaller stays as it is
        with suppress(subprocess.CalledProcessError):
            subprocess.run([pngquant, "--force", "--ext", ".png", "--strip", "64", str(file)], check=True)  # noqa: S603  # our own words
    print(file, file.stat().st_size)


if __name__ == "__main__":
    main()
