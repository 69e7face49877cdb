"""Take a picture of a playground, in the system's Chromium: docs/images/playground.png.

Needs `pip install -e ".[browser]"`, and chromium from the system's packages.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tyro

from sinlstm_jax.commands.main import tidy_exit
from sinlstm_jax.errors import InputError
from sinlstm_jax.files import replacing

from ..pages import DOCS, IMAGES

ARGUMENTS = """
    --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
    --disable-background-networking --disable-component-update
""".split()


@dataclass(frozen=True)
class Options:
    """Take a picture of a playground."""

    page: Path = DOCS / "playground.html"
    """What `sinlstm playground` wrote."""
    out: Path = IMAGES / "playground.png"
    """The picture."""


def main(options: Options) -> None:
    """Open the page as it is at first, and save what is seen of it."""
    with chromium() as browser, replacing(options.out) as temporary:
        page = browser.new_page(viewport={"width": 1200, "height": 1010}, color_scheme="light")
        page.goto(options.page.absolute().as_uri())
        for drawn_last in ("#summary:not(:empty)", ".error:visible:not(:empty)"):
            page.locator(drawn_last).last.wait_for()
        page.screenshot(path=temporary, type="png")


@contextlib.contextmanager
def chromium() -> Iterator:
    """Give Playwright's browser on the system's Chromium, or raise InputError without one."""
    path = shutil.which("chromium")
    if path is None:
        raise InputError("there is no chromium here: install it from the system's packages")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError("there is no Playwright here: pip install -e '.[browser]'") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    with tidy_exit():
        main(tyro.cli(Options))
