"""A real browser for the tests of pages: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# pixels (96 an inch) between margins of 12 mm
A4_WIDTH = 703
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")


@contextmanager
def browser_page(width: int = 1400, height: int = 1800) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what went wrong on it: answers of 400 and more, errors of its scripts, requests to other machines."""
    with sync_playwright() as playwright:
        # the sandbox of Chromium does not start for root, which CI is
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_context(viewport={"width": width, "height": height}).new_page()
        wrong: list[str] = []
        page.on(
            "response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status > 399 else None
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        try:
            yield page, wrong
        finally:
            chromium.close()
