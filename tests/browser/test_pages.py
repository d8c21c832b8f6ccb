"""The live page and the API's reference page in a real browser: acted on, no console error, no overflow, readable."""
import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parent.parent)]

from page import Page  # noqa: E402
from sibyl import ROOT, Sibyl, wait_for  # noqa: E402

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
HOSTILE = '<img src=x onerror="window.hacked=1">'


@pytest.fixture(scope="module")
def s():
    with Sibyl() as s:
        s.register("iris", ROOT / "share/samples/iris-forest", alias="production")
        yield s


@pytest.fixture(scope="module")
def page():
    p = Page()
    yield p
    p.close()


def check_looks(page, name):
    for width in [360, 900, 1600]:
        for dark in [False, True]:
            page.size(width, 900, dark)
            page.eval("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
            page.screenshot(f"{name}-{width}{'-dark' if dark else ''}")
            assert page.overflow() <= 0, f"{width} px: wider than the window"
            assert page.low_contrast() == [], f"{width} px, dark={dark}"
    assert page.problems == []


def test_the_live_page_teaches_when_it_is_empty_and_then_shows_events(s, page):
    page.size(1600, 900)
    page.go(f"http://127.0.0.1:{s.dashboard}/")
    page.wait("document.getElementById('events').textContent.includes('No prediction yet')")
    a = s.post("/models/iris/predict", ROW, headers={"X-User-Id": HOSTILE})
    s.post("/models/iris/predict", {**ROW, "petal_width": HOSTILE})
    page.wait("document.getElementById('events').textContent.includes('species: setosa')")
    page.wait("document.getElementById('state').textContent === 'healthy'")
    assert page.eval("document.getElementById('models').textContent").startswith("iris1primaryalias production")
    # a click shows the whole record
    page.eval(f"[...document.querySelectorAll('button.row')].find(b => b.ariaLabel.includes('{a.headers['X-Event-ID']}')).click()")
    page.wait("document.getElementById('detail').open")
    shown = page.eval("document.querySelector('#detail pre').textContent")
    assert a.headers["X-Event-ID"] in shown and HOSTILE.replace('"', '\\"') in shown
    page.eval("document.querySelector('#detail button').click()")
    page.wait("!document.getElementById('detail').open")
    assert page.eval("window.hacked") is None
    check_looks(page, "live")


def test_the_live_page_says_when_serving_is_away(s, page):
    import os
    import signal
    page.size(1600, 900)
    page.go(f"http://127.0.0.1:{s.dashboard}/")
    page.wait("document.getElementById('state').textContent === 'healthy'")
    pid = s.role_pid("serving")
    os.kill(pid, signal.SIGSTOP)
    try:
        page.wait("document.getElementById('models').textContent.includes('does not answer')")
    finally:
        os.kill(pid, signal.SIGCONT)
    page.wait("document.getElementById('state').textContent === 'healthy'")


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
