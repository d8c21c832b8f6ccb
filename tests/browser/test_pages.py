"""The API's reference page in a real browser: acted on, no console error, no overflow, readable."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from dashboard import a_page, check_looks, platform, wait_for  # noqa: E402


@pytest.fixture(scope="module")
def s():
    with platform() as s:
        yield s


@pytest.fixture(scope="module")
def page():
    with a_page() as p:
        yield p


def test_the_reference_page_tries_a_prediction(s, page):
    page.problems.clear()
    page.size(1600, 900)
    page.go(f"http://127.0.0.1:{s.serving}/docs")
    page.wait("!!document.querySelector('#models article')")
    before = len(s.cli("events", "tail", "--json", "-n", "1000").stdout.splitlines())
    page.eval("document.querySelector('#models button').click()")
    page.wait("document.querySelector('#models pre').textContent.includes('probabilities')")
    assert page.eval("document.querySelector('#models pre').textContent").startswith("200")
    wait_for("its event", 5, lambda: len(s.cli("events", "tail", "--json", "-n", "1000").stdout.splitlines()) == before + 1)
    # a wrong value shows the error that names the field
    page.eval("const t = document.querySelector('#models textarea'); t.value = t.value.replace(/\"petal_width\": [\\d.]+/, '\"petal_width\": \"wide\"'); t.dispatchEvent(new Event('input')); document.querySelector('#models button').click()")
    page.wait("document.querySelector('#models pre').textContent.startsWith('400')")
    assert "petal_width" in page.eval("document.querySelector('#models pre').textContent")
    assert "wide" in page.eval("document.querySelectorAll('#models pre')[1].textContent")
    page.problems[:] = [p for p in page.problems if "400" not in p]  # the browser logs the refusal that was asked for
    check_looks(page, "docs")
