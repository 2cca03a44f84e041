"""
Screenshots of the demo for the README: the dashboards, the morning report and the dictionary.

    .venv/bin/python bi/screenshots.py     (after `make demo`, with `make bi` installed once)

Needs Chromium; writes docs/pictures/*.png, a third as large where pngquant is installed too.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from stockbook.bi.serve import USER, Superset, published_file
from stockbook.clock import SystemClock
from stockbook.settings import Settings

PROJECT = Path(__file__).resolve().parents[1]
PORT = 8097
PICTURES = PROJECT / "docs" / "pictures"


def main() -> None:
    """Serve, log in, open, take the pictures."""
    chromium = shutil.which("chromium") or sys.exit("Chromium is needed: apt-get install chromium")
    published = published_file(Settings.load())
    superset = Superset.at(PROJECT / "data" / "bi", PROJECT / ".venv-bi" / "bin")
    superset.prepare(published, print)
    process = superset.serve(PORT)
    try:
        superset.wait_until_up(process, PORT, SystemClock())
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
            page.set_default_timeout(90_000)
            for name, path in {"report": "report.html", "dictionary": "dictionary/reports.sla_daily.html"}.items():
                page.goto((published.parent / path).as_uri())
                take(page, name)
            page.set_viewport_size({"width": 1400, "height": 2600})
            page.goto(f"http://127.0.0.1:{PORT}/login/", wait_until="networkidle")
            page.locator("#username, input[name=username]").first.fill(USER)
            page.locator("#password, input[name=password]").first.fill(superset.password)
            page.keyboard.press("Enter")
            page.wait_for_url("**/superset/welcome/**")
            for name in ("stock", "fulfillment", "shop"):
                page.goto(f"http://127.0.0.1:{PORT}/superset/dashboard/{name}/")
                page.locator("[data-test-viz-type]").last.wait_for()
                page.wait_for_load_state("networkidle")
                expect(page.locator("[data-test='loading-indicator']")).to_have_count(0, timeout=90_000)
                # lines grow into place
                page.wait_for_timeout(2_000)
                take(page, name)
            browser.close()
    finally:
        process.terminate()
        process.wait(timeout=30)


def take(page: Page, name: str) -> None:
    """Write one picture."""
    file: Path = PICTURES / f"{name}.png"
    page.screenshot(path=file)
    if pngquant := shutil.which("pngquant"):
        # pages have few colours
        subprocess.run([pngquant, "--force", "--ext", ".png", "--strip", str(file)], check=True)  # noqa: S603  # our own words
    print(file)


if __name__ == "__main__":
    main()
