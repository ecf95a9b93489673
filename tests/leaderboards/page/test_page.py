"""The page in a real browser: sort, filter, keyboard, no errors, no requests."""

import shutil

import pytest

from leaderboards.publish import publish
from tests.leaderboards.boards import make_records, outline

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def file(tmp_path_factory, cache_root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUNBENCH_CACHE", str(cache_root))
        path, out = make_records(tmp_path_factory.mktemp("swept"))
    folder = tmp_path_factory.mktemp("board")
    publish(outline(path), folder, [out])
    return folder / "index.html"


@pytest.fixture(params=[1280, 390])
def page(request, file):
    with playwright.sync_playwright() as manager:
        browser = manager.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": request.param, "height": 900})
        page.problems, page.requests = [], []
        page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda asked: page.requests.append(asked.url))
        page.goto(file.as_uri())
        page.wait_for_selector("#table .tabulator-row")
        yield page
        browser.close()


def column(page, field):
    return page.eval_on_selector_all(
        f'#table .tabulator-row [tabulator-field="{field}"]', "all => all.map(e => e.textContent)"
    )


def test_the_page_sorts_filters_and_explains_itself(page):
    assert "SIMULATOR STUDY" in page.inner_text(".study").upper()
    assert set(column(page, "split")) <= {"knee", "–"}  # the first view is in distribution
    page.click('#table [tabulator-field="psnr"] .tabulator-col-content')
    figures = [float(text) for text in column(page, "psnr") if text]
    assert figures == sorted(figures)
    heading = page.locator('#table .tabulator-header [tabulator-field="psnr"]')
    heading.focus()
    page.keyboard.press("Enter")
    again = [float(text) for text in column(page, "psnr") if text]
    assert again == sorted(again, reverse=True)
    assert len(figures) > 2
    page.select_option('select[name="pruner"]', "snip")
    assert {text.split("/")[1] for text in column(page, "row")} == {"snip"}
    assert "of" in page.inner_text("#count")
    page.locator("#table .tabulator-row").first.focus()
    page.keyboard.press("Enter")
    assert "python -m bench run --arch modl --pruner snip" in page.inner_text("#details")
    assert "95 % interval" in page.inner_text("#details")
    assert page.problems == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []


def test_nothing_is_wider_than_the_window(page):
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
