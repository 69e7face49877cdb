"""Pages that are open in a browser, for all tests of the playground."""

from pathlib import Path

import pytest

from tests.playground.test_playground import COMMITTED


@pytest.fixture(scope="module")
def browser():
    from scripts.publish.playground_picture import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture
def open_page(browser):
    """Open a page; at the end, nothing may have gone wrong in it, or been fetched."""
    pages = []

    def open_one(path=COMMITTED, address="", **context):
        page = browser.new_page(**{"viewport": {"width": 1200, "height": 900}} | context)
        troubles = []
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.append(request.url))
        page.goto(Path(path).absolute().as_uri() + address)
        pages.append((page, troubles))
        return page

    yield open_one
    for page, troubles in pages:
        own = page.url.split("#")[0]
        others = [each for each in troubles if each != own and not each.startswith("data:")]
        page.close()
        assert others == []
