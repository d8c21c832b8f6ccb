"""Compare: production beside its shadow. What the page says equals what the events say."""
import json
import random

import pytest

from dashboard import NAUGHTY, a_page, check_looks, platform
import models
from sibyl import request, wait_for

NAMES = {0: "setosa", 1: "versicolor", 2: "virginica"}  # the shadow answers with numbers


@pytest.fixture(scope="module")
def page():
    with a_page() as p:
        yield p


@pytest.fixture(scope="module")
def s():
    """Rows on which the two disagree now and then, one batch, one refused request."""
    with platform(shadow=True) as s:
        chance = random.Random(7)
        for i in range(80):
            row = {"sepal_length": round(chance.uniform(4, 8), 1), "sepal_width": round(chance.uniform(2, 4.4), 1), "petal_length": round(chance.uniform(1, 7), 1), "petal_width": round(chance.uniform(0.1, 2.5), 1)}
            s.post("/models/iris/predict", [row, row] if i == 7 else row, headers={"X-User-Id": NAUGHTY[0] if i % 2 else "anna"})
        s.post("/models/iris/predict", {"sepal_length": "wide"})
        wait_for("the events in the index", 20, lambda: len(events(s)) + shed(s) == 81 * 2 + 1)
        yield s


def shed(s):
    """Rows that no shadow computed, because the machine was busy."""
    return sum(int(line.split()[-1]) for line in s.get("/metrics").body.decode().splitlines() if line.startswith("sibyl_shadow_shed_rows_total"))


def events(s):
    hits = request(s.dashboard, "POST", "/api/search/predictions/_search", {"size": 1000}).json()["hits"]["hits"]
    return [h["_source"] for h in hits]


def pairs(s):
    """((request, row), answer of production, answer of the shadow)"""
    done = [e for e in events(s) if e["status"] == "ok"]
    shadow = {(e["request_id"], e["row"]): NAMES[e["prediction"]["species"]] for e in done if e["role"] == "shadow"}
    return [(k, e["prediction"]["species"], shadow[k]) for e in done if e["role"] == "primary" for k in [(e["request_id"], e["row"])] if k in shadow]


def tile(page, name):
    return page.eval(f"document.querySelector('#{name} b').textContent")


def test_agreement_classes_and_disagreements_are_those_of_the_events(s, page):
    want = pairs(s)
    agree = sum(a == b for _, a, b in want)
    n = len(want)
    assert 40 < n <= 81 and 0 < agree < n
    page.go(f"http://127.0.0.1:{s.dashboard}/compare")
    page.wait("document.querySelectorAll('.matrix td').length === 9")
    assert float(tile(page, "agreement").split()[0]) == float(f"{agree / n * 100:.3g}")
    assert page.eval("document.querySelector('#agreement').textContent").endswith(f"all {n} pairs")
    assert (tile(page, "side-a"), tile(page, "side-b")) == ("82", str(n))
    labels = page.eval("[...document.querySelectorAll('.matrix tbody th')].map(e => e.textContent)")
    cells = page.eval("[...document.querySelectorAll('.matrix tbody tr')].map(r => [...r.querySelectorAll('td')].map(c => Number(c.textContent.replace('·', '0'))))")
    assert cells == [[sum((x, y) == (a, b) for _, x, y in want) for b in labels] for a in labels]
    # the classes' shares of both sides, under production's names although the shadow answers with numbers
    all_of = {"A": [e["prediction"]["species"] for e in events(s) if e["role"] == "primary" and e["status"] == "ok"], "B": [p[2] for p in want]}
    for label in NAMES.values():
        shares = page.eval(f"[...document.querySelectorAll('#classes li')].find(l => l.textContent.startsWith({json.dumps(label)})).textContent")
        assert all(f"{side} {float(f'{sum(v == label for v in all_of[side]) / len(all_of[side]) * 100:.3g}'):g} %" in shares for side in all_of), shares
    assert "0 = setosa" in page.eval("document.querySelector('#classes').textContent")
    assert page.eval("document.querySelectorAll('#confidence rect[class^=fill]').length") == 40
    # the list, with inputs, and a link that shows both events
    page.wait(f"document.querySelectorAll('#differ tbody tr').length === {min(50, n - agree)}")
    assert "petal_width" in page.eval("document.querySelector('#differ td.grow').textContent")
    wrong = {k[0] for k, a, b in want if a != b}
    href = page.eval("decodeURIComponent(document.querySelector('#differ tbody a').href)")
    assert any(f':"{r}"' in href for r in wrong), href
    assert page.problems == []
    check_looks(page, "compare")
    page.size(1600, 900)


def test_sides_measure_and_query_are_in_the_link(s, page):
    page.go(f"http://127.0.0.1:{s.dashboard}/compare?b=iris%2F2&a=iris%2F1")
    page.wait("document.querySelectorAll('.matrix td').length === 9")
    assert page.eval("[...document.querySelectorAll('.choose select')].map(e => e.value)") == ["iris", "iris/1", "iris/2"]
    page.eval("[...document.querySelectorAll('#latency .segments button')].find(b => b.textContent === 'total').click()")
    page.wait("location.search.includes('measure=total') && document.querySelector('#latency .note')?.textContent.includes('total')")
    page.eval("document.querySelector('button[aria-label=\"Swap A and B\"]').click()")
    page.wait("document.querySelector('#side-a')?.textContent.includes('iris 2')")
    assert page.eval("new URLSearchParams(location.search).get('a')") == "iris/2"
    page.eval("history.back()")
    page.wait("document.querySelector('#side-a')?.textContent.includes('iris 1')")
    # a query narrows both sides
    page.go(f"http://127.0.0.1:{s.dashboard}/compare?q=user%3Aanna")
    anna = sum(e.get("user") == "anna" and e["role"] == "shadow" for e in events(s))
    page.wait(f"document.querySelector('#side-b b')?.textContent === '{anna}'")
    # what a panel asked, to be asked elsewhere
    page.eval("document.querySelector('#classes .copy-as').click(); [...document.querySelectorAll('.menu button')].find(b => b.textContent === 'Elasticsearch').click()")
    page.wait("document.querySelector('#toasts')?.textContent.includes('Copied') || !!document.querySelector('dialog pre')")
    page.eval("document.querySelector('dialog')?.close()")
    assert page.problems == []


def test_what_cannot_be_compared_is_explained_and_hostile_text_is_text(s, page):
    page.go(f"http://127.0.0.1:{s.dashboard}/compare?a=iris%2F1&b=iris%2F1")
    page.wait("document.body.innerText.includes('did not answer the same requests')")
    page.go(f"http://127.0.0.1:{s.dashboard}/compare?from=1000000000000&to=1000000060000")
    page.wait("document.body.innerText.includes('No prediction in this time range')")
    for name in NAUGHTY:
        page.go(f"http://127.0.0.1:{s.dashboard}/compare?" + page.eval(f"'route=' + encodeURIComponent({json.dumps(name)}) + '&a=' + encodeURIComponent({json.dumps(name)})"))
        page.wait("document.body.innerText.includes('Neither side has answered')")
        assert page.eval("document.querySelector('.choose select').value") == name
    page.problems.clear()
    page.go(f"http://127.0.0.1:{s.dashboard}/compare?q=status%3A(")
    page.wait("!!document.querySelector('.problem:not([hidden])')?.textContent")
    assert page.eval("window.hacked") is None
    page.go("about:blank")  # the page asks again now and then
    assert page.problems and all("400" in p for p in page.problems), page.problems
    page.problems.clear()


def test_numbers_are_compared_by_how_far_they_are_apart(s, page):
    """Two versions of a Python model that gives a number; both double, so every pair agrees."""
    s.register("moody", models.folder() / "moody", alias="production")
    s.register("moody", models.folder() / "moody", alias="shadow", wait=0)
    wait_for("the shadow", 60, lambda: (s.model("moody").get("shadow") or {}).get("version") == "2")
    before = shed(s)
    for x in range(1, 11):
        s.post("/models/moody/predict", {"action": "none", "x": x})
    wait_for("the events in the index", 20, lambda: sum(e["route"] == "moody" for e in events(s)) + shed(s) - before == 20)
    page.go(f"http://127.0.0.1:{s.dashboard}/compare?route=moody")
    page.wait("document.querySelector('#agreement b')?.textContent === '100 %'")
    page.wait("document.querySelector('#differ')?.innerText.includes('They agree on everything')")
    assert page.eval("[...document.querySelectorAll('#classes tbody tr')].map(r => r.textContent)[0]") == "mean1111"  # 2 .. 20
    assert page.eval("document.querySelector('#confusion').innerText.includes('mean of |B − A|')")
    assert page.eval("document.querySelector('#confidence').innerText.includes('No probabilities')")
    # what counts as the same, worked out by the page's own functions
    got = page.eval("""import('/static/data/compare.js').then(d => {
      const doc = (id, request_id, y) => ({ '@timestamp': '2026-01-01T00:00:00Z', event_id: id, request_id, row: 0, prediction: { y } });
      const a = [doc('1', 'r', 100), doc('2', 's', 100), doc('3', 't', 1)], b = [doc('4', 'r', 100.9), doc('5', 's', 102), doc('6', 'nobody', 1)];
      return d.pairUp(a, b, d.shape(a, b, '')).map(p => [p.a.request_id, p.agree]);
    })""")
    assert sorted(got) == [["r", True], ["s", False]]
    assert page.problems == []
