"""Usage: who asks how much, who is new, what moved. What the page says equals what was sent."""
import json
import time

import pytest

from dashboard import NAUGHTY, ROW, a_page, check_looks, platform
from sibyl import request, wait_for

USERS = {"anna": 12, "ben": 6, "carla": 3, **{n: 1 for n in NAUGHTY}}
TOTAL = sum(USERS.values()) + 4  # four name no user


@pytest.fixture(scope="module")
def page():
    with a_page() as p:
        yield p


def count(s):
    return request(s.dashboard, "POST", "/api/search/predictions/_count", {"query": {"bool": {"must_not": [{"term": {"role.keyword": "shadow"}}]}}}).json().get("count")


@pytest.fixture(scope="module")
def s():
    """Anna, then a moment later everyone; the moment between is s.moment."""
    with platform() as s:
        for _ in range(2):
            s.post("/models/iris/predict", ROW, headers={"X-User-Id": "anna", "X-Tag-Team": "fraud"})
        time.sleep(0.01)  # timestamps are milliseconds: the moment lies between the two groups
        s.moment = int(time.time() * 1000)
        time.sleep(0.01)
        for user, n in USERS.items():
            for i in range(n - (2 if user == "anna" else 0)):
                s.post("/models/iris/predict", ROW if i else {**ROW, "petal_width": "wide"}, headers={"X-User-Id": user.encode().decode("latin-1"), "X-Tag-Team": "fraud" if user < "c" else NAUGHTY[0]})
        for _ in range(4):
            s.post("/models/iris/predict", ROW)
        wait_for("the events in the index", 20, lambda: count(s) == TOTAL)
        yield s


def tile(page, name):
    return page.eval(f"document.querySelector('#{name} b').textContent")


def rows(page, name):
    return page.eval(f"[...document.querySelectorAll('#{name} tbody tr')].map(r => [...r.cells].map(c => c.textContent))")


def test_totals_names_and_hostile_names_as_text(s, page):
    page.go(f"http://127.0.0.1:{s.dashboard}/usage")
    page.wait(f"document.querySelectorAll('#who tbody tr').length === {len(USERS)}")
    assert (tile(page, "total"), tile(page, "distinct"), tile(page, "new"), tile(page, "returning")) == (str(TOTAL), str(len(USERS)), str(len(USERS)), "0")
    assert {r[0]: int(r[1]) for r in rows(page, "who")} == USERS
    assert rows(page, "who")[0][0] == "anna" and page.eval("document.querySelectorAll('#who svg.spark').length") == len(USERS)
    assert sum(page.eval("[...document.querySelectorAll('.week td')].map(c => Number(c.ariaLabel.replace(',', '')))")) == TOTAL
    page.eval("window.scrollTo(0, 0)")
    check_looks(page, "usage")
    page.size(1600, 900)
    assert page.eval("window.hacked") is None and page.eval("document.querySelectorAll('#page img').length") == 0
    # a name leads to its events
    page.eval("document.querySelector('#who tbody a').click()")
    page.wait("location.pathname === '/events' && new URLSearchParams(location.search).get('q').endsWith(':\"anna\"')")
    assert page.problems == []


def test_who_was_there_before_is_not_new_and_movers_are_against_the_period_before(s, page):
    now = int(time.time() * 1000)
    page.go(f"http://127.0.0.1:{s.dashboard}/usage?from={s.moment}&to={now}")
    page.wait(f"document.querySelector('#returning b')?.textContent === '1' && document.querySelector('#new b')?.textContent === '{len(USERS) - 1}'")
    movers = {r[0]: r[1:] for r in rows(page, "movers")}
    assert movers["anna"][:2] == ["2", "10"] and "+8" in movers["anna"][2] and "400 %" in movers["anna"][2]
    assert movers["ben"][:2] == ["0", "6"] and movers["ben"][2] == "+6 new"
    assert page.problems == []


def test_by_tag_and_by_query(s, page):
    page.go(f"http://127.0.0.1:{s.dashboard}/usage")
    page.wait("[...document.querySelectorAll('#by option')].some(o => o.value === 'tag:Team')")
    page.eval("(() => { const b = document.querySelector('#by'); b.value = 'tag:Team'; b.dispatchEvent(new Event('change')); })()")
    page.wait("document.querySelectorAll('#who tbody tr').length === 2 && location.search.includes('by=tag')")
    found = {r[0]: int(r[1]) for r in rows(page, "who")}
    assert found["fraud"] == sum(n for u, n in USERS.items() if u < "c") and set(found) == {"fraud", NAUGHTY[0]}
    page.go(f"http://127.0.0.1:{s.dashboard}/usage?q=user%3Aben")
    page.wait("document.querySelector('#total b')?.textContent === '6'")
    # nobody says a session: the page says how
    page.go(f"http://127.0.0.1:{s.dashboard}/usage?by=session")
    page.wait("document.querySelector('#who')?.innerText.includes('X-Session-Id')")
    page.go(f"http://127.0.0.1:{s.dashboard}/usage?" + page.eval(f"'by=' + encodeURIComponent('tag:' + {json.dumps(NAUGHTY[0])})"))
    page.wait("document.querySelector('#who')?.innerText.includes('X-Tag-<img')")
    assert page.eval("window.hacked") is None and page.problems == []
