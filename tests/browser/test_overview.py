"""Overview in a real browser: what is served and why, traffic, latency, errors, cost, the machine; and the shell around all pages."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from dashboard import NAUGHTY, ROW, SPECIES, a_page, check_looks, platform, wait_for  # noqa: E402
from sibyl import PYTHON, ROOT, request  # noqa: E402

ANSWERED, REFUSED = 30, 6


@pytest.fixture(scope="module")
def s():
    with platform(shadow=True) as s:
        yield s


@pytest.fixture(scope="module")
def page(s):
    with a_page() as p:
        p.go(f"http://127.0.0.1:{s.dashboard}/")
        yield p


def text(page, selector):
    return page.eval(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")


def test_it_teaches_when_nothing_was_predicted_and_then_follows_the_traffic(s, page):
    page.wait("document.getElementById('traffic')?.innerText.includes('No prediction in this time range')")
    assert f":{s.serving}/models/NAME/predict" in text(page, "#traffic")
    page.wait("document.querySelectorAll('#versions tbody tr').length === 2")
    rows = page.eval("[...document.querySelectorAll('#versions tbody tr')].map(r => r.innerText.replace(/\\s+/g, ' '))")
    assert "iris 1 primary alias production" in rows[0] and "native" in rows[0]
    assert "iris 2 shadow alias shadow" in rows[1]
    for i in range(ANSWERED):
        assert s.post("/models/iris/predict", list(SPECIES.values())[i % 3], headers={"X-User-Id": NAUGHTY[i % len(NAUGHTY)].encode()}).status == 200
    for i in range(REFUSED):
        assert s.post("/models/iris/predict", {**ROW, "petal_width": NAUGHTY[0]}).status == 400
    # without a reload; a shadow's answers are not traffic
    page.wait(f"document.querySelector('#total b').innerText === '{ANSWERED + REFUSED}'", 10)
    assert text(page, "#errors b") == "16.7 %"
    for tile in ["p50", "p95", "p99"]:
        assert text(page, f"#{tile} b").endswith(("µs", "ms"))
    page.wait("!!Chart.getChart(document.querySelector('#traffic canvas'))")
    drawn = page.eval("Chart.getChart(document.querySelector('#traffic canvas')).data.datasets.map(d => [d.label, Math.round(d.data.reduce((n, p) => n + p.y, 0) * 10)])")
    assert drawn == [["answered", ANSWERED], ["not answered", REFUSED]]
    assert "petal_width" in text(page, "#wrong") and "<img" in text(page, "#wrong")
    assert "iris 1" in text(page, "#by-version") and "100 %" in text(page, "#by-version")
    assert page.eval("window.hacked") is None


def test_a_panel_is_copied_as_programs_that_answer_the_same(page):
    page.eval("navigator.clipboard.writeText = t => { window.copied = t; return Promise.resolve(); }")
    copied = {}
    for name in ["curl", "Elasticsearch", "pandas"]:
        page.eval("window.copied = ''; document.querySelector('#traffic .copy-as').click()")
        page.eval(f"[...document.querySelectorAll('.menu button')].find(b => b.textContent === {json.dumps(name)}).click()")
        page.wait("!!window.copied")
        copied[name] = page.eval("window.copied")
    out = subprocess.run(["bash", "-c", copied["curl"]], capture_output=True, text=True, timeout=20)
    assert json.loads(out.stdout)["hits"]["total"]["value"] == ANSWERED + REFUSED, out
    assert copied["Elasticsearch"].startswith("POST /predictions/_search\n{")
    out = subprocess.run([PYTHON, "-c", copied["pandas"]], capture_output=True, text=True, timeout=60)
    assert out.returncode == 0 and "key_as_string" in out.stdout and "latency" in out.stdout, out


def test_it_shows_the_machine_cost_and_readers(s, page):
    page.wait("document.querySelectorAll('#readers .reader').length === 3")
    assert "predictions" in text(page, "#readers") and "documents" in text(page, "#readers")
    wait_for("the cost of traffic", 30, lambda: s.post("/models/iris/predict", ROW).status == 200 and "KiB" in text(page, "#room table"))
    assert "iris 1" in text(page, "#room") and "cores" in text(page, "#room")
    for panel in ["cpu", "memory"]:
        page.wait(f"Chart.getChart(document.querySelector('#{panel} canvas'))?.data.datasets.map(d => d.label).sort().join() === 'platform,serving'", 20)


def test_a_part_of_the_time_is_chosen_by_dragging(page):
    page.drag("#traffic canvas", 0.4, 0.9)
    page.wait("/from=\\d+&to=\\d+/.test(location.search)")
    page.wait("document.querySelector('.live').innerText.trim() === 'Fixed'")
    a, b = page.eval("['from', 'to'].map(k => Number(new URLSearchParams(location.search).get(k)))")
    assert 300e3 < b - a < 600e3
    page.eval("history.back()")
    page.wait("location.search === '' && document.querySelector('.live').innerText.trim() === 'Live'")


def test_keys_theme_and_pages(page):
    page.press("t")
    assert page.eval("document.documentElement.dataset.theme") == "dark"
    page.press("t")
    page.eval("localStorage.removeItem('theme')")
    page.press("?")
    page.wait("document.querySelector('dialog[open]')?.innerText.includes('query box')")
    page.press("Escape")
    page.wait("!document.querySelector('dialog')")
    page.press("g")
    page.press("e")
    page.wait("location.pathname === '/events' && document.title === 'Events · sibyl'")
    page.eval("document.querySelector('#nav nav a').click()")
    page.wait("location.pathname === '/' && !!document.querySelector('#traffic canvas')")


def test_the_looks(page):
    page.wait("document.querySelector('#total b').innerText !== '–' && document.querySelectorAll('#versions tbody tr').length === 2")
    check_looks(page, "overview")
    # what charts paint has no elements: their colours are of the design
    contrast = """(([a, b]) => { const c = n => getComputedStyle(document.documentElement).getPropertyValue(n).trim().match(/\\w\\w/g) ?? [];
      const l = h => (h.length === 3 ? h : c0(h)).map(x => parseInt(x, 16) / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
      const c0 = () => [255, 255, 255].map(v => v.toString(16)), [x, y] = [l(c(a)), l(c(b))]; return (Math.max(x, y) + .05) / (Math.min(x, y) + .05); })(%s)"""
    for dark in [False, True]:
        page.size(1600, 900, dark)
        page.wait(f"document.documentElement.dataset.theme === '{'dark' if dark else 'light'}'")
        assert page.eval(contrast % '["--soft", "--card"]') >= 4.5
        for series in ["c1", "c2", "c3", "c4", "c5", "c6", "good", "bad", "warn", "mark"]:
            assert page.eval(contrast % f'["--{series}", "--card"]') >= 3, (series, dark)


def test_hostile_names_are_text(s, page):
    model = pathlib.Path(shutil.copytree(ROOT / "share/samples/iris-forest", s.folder / "hostile"))
    s.register(NAUGHTY[0], model, alias="production")
    page.wait(f"document.getElementById('versions').innerText.includes({json.dumps(NAUGHTY[0])})")
    assert page.eval("window.hacked") is None and not page.eval("document.querySelectorAll('main img, main script').length")
    assert page.problems == []


def test_it_says_when_serving_is_away(s, page):
    page.wait("document.querySelector('.health').innerText === 'healthy'")
    pid = s.role_pid("serving")
    os.kill(pid, signal.SIGSTOP)
    try:
        page.wait("document.getElementById('versions').innerText.includes('does not answer')")
        page.wait("document.querySelector('.health').innerText === 'no answer'")
    finally:
        os.kill(pid, signal.SIGCONT)
    page.wait("document.querySelector('.health').innerText === 'healthy' && document.querySelectorAll('#versions tbody tr').length >= 2")
    wait_for("predictions", 10, lambda: request(s.dashboard, "POST", "/api/serving/models/iris/predict", ROW).status == 200)
