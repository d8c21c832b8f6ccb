"""Events in a real browser: found by query, time and clicks, read in detail, tried again; hostile text stays text."""
import json
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from dashboard import NAUGHTY, ROW, SPECIES, a_page, check_looks, platform, wait_for  # noqa: E402
from sibyl import ROOT, request  # noqa: E402

BATCH = 120
ROWS = "[...document.querySelectorAll('#list tbody tr[data-key]')]"
FEATURE = "<i>wide</i>"  # as long as petal_width, whose place it takes in the model's pickle


@pytest.fixture(scope="module")
def s():
    with platform(shadow=True) as s:
        rows = [list(SPECIES.values())[i % 3] for i in range(BATCH)]
        assert s.post("/models/iris/predict", rows, headers={"X-User-Id": "batch"}).status == 200
        for i in range(3):
            assert s.post("/models/iris/predict", {**ROW, "petal_width": "wide"}, headers={"X-User-Id": "eve", "X-Tag-Channel": f"web {i}"}).status == 400
        s.one = s.post("/models/iris/predict", SPECIES["virginica"], headers={"X-User-Id": "ada", "X-Tag-Channel": "app"}).json()["event_id"]
        wait_for("all answers and all of the shadow's", 20, lambda: request(s.dashboard, "GET", "/api/search/predictions/_count").json()["count"] == 2 * (BATCH + 1) + 3)
        yield s


@pytest.fixture(scope="module")
def browser():
    with a_page() as p:
        yield p


@pytest.fixture
def page(s, browser):
    browser.size(1600, 900)
    browser.problems.clear()
    browser.go(f"http://127.0.0.1:{s.dashboard}/events")
    browser.wait(f"{ROWS}.length > 0")
    return browser


def keys(page):
    return page.eval(f"{ROWS}.map(r => r.dataset.key)")


def click(page, selector):
    page.eval(f"document.querySelector({json.dumps(selector)}).click()")


def query(page):
    return page.eval("new URLSearchParams(location.search).get('q') ?? ''")


def search(page, text):
    """As a person does: the key that leads to the box, the text, Enter."""
    page.press("/")
    page.wait("document.activeElement.id === 'query'")
    page.eval("document.getElementById('query').select()")
    page.type(text)
    page.press("Enter")
    page.wait(f"(new URLSearchParams(location.search).get('q') ?? '') === {json.dumps(text)}")


def test_a_query_finds_and_a_wrong_one_is_explained(page):
    search(page, "status:invalid AND tags.Channel:web")
    page.wait(f"{ROWS}.length === 3")
    assert page.eval(f"{ROWS}.every(r => r.innerText.includes('petal_width'))")
    search(page, "status:invalid AND (")
    page.wait("document.querySelector('.problem')?.hidden === false")
    assert page.eval("document.querySelector('.problem').innerText")
    page.problems[:] = [p for p in page.problems if "400" not in p]  # the browser logs the refusal that was asked for
    search(page, "user:nobody")
    page.wait("document.getElementById('list').innerText.includes('No event matches')")
    page.eval("[...document.querySelectorAll('#list button')].find(b => b.innerText === 'Without the query').click()")
    page.wait(f"{ROWS}.length > 10")
    assert query(page) == "" and page.problems == []


def test_fields_and_values_complete_what_is_typed(page):
    page.press("/")
    page.type("us")
    page.wait("document.querySelector('#suggestions li')?.innerText.startsWith('user')")
    page.press("Tab")
    page.wait("document.getElementById('suggestions').innerText.includes('ada')")
    page.type("ad")
    page.wait("document.querySelectorAll('#suggestions li').length === 1")
    page.press("ArrowDown")
    page.press("Enter")
    assert page.eval("document.getElementById('query').value").strip() == 'user:"ada"'
    page.wait("document.querySelector('#suggestions li')?.innerText === 'AND'")
    page.press("Escape")
    page.press("Enter")
    page.wait(f"{ROWS}.length === 2")


def test_values_are_filtered_by_click(page):
    page.eval("[...document.querySelectorAll('#facets button')].find(b => b.innerText.includes('eve')).click()")
    page.eval("document.querySelectorAll('.menu button')[0].click()")
    page.wait(f"{ROWS}.length === 3")
    assert query(page) == 'user.keyword:"eve"'
    page.eval("history.back()")
    page.wait(f"{ROWS}.length === 50")
    page.eval("[...document.querySelectorAll('#list .filter')].find(b => b.ariaLabel === 'Filter by role').click()")
    page.eval("document.querySelectorAll('.menu button')[1].click()")
    page.wait("document.querySelectorAll('#list .badge').length > 0 && location.search.includes('NOT+role')")
    role = query(page)
    wait_for("the others", 10, lambda: page.eval(f"{ROWS}.every(r => !r.innerText.includes({json.dumps('shadow' if 'shadow' in role else 'primary')}))"))


def test_pages_go_on_without_gaps_newest_first(s, page):
    assert len(keys(page)) == 50
    total = 2 * (BATCH + 1) + 3
    for shown in [100, 150, 200, total]:
        page.eval("document.querySelector('.more button').click()")
        page.wait(f"{ROWS}.length === {shown}")
    found = request(s.dashboard, "POST", "/api/search/predictions/_search", {"size": 1000, "sort": [{"@timestamp": "desc"}, {"seq": "desc"}], "_source": False}).json()["hits"]["hits"]
    assert keys(page) == [h["_id"] for h in found]
    assert not page.eval("!!document.querySelector('.more button')")


def test_new_events_come_by_themselves(s, page):
    event = s.post("/models/iris/predict", ROW, headers={"X-User-Id": "late"}).json()["event_id"]
    page.wait(f"{ROWS}.some(r => r.dataset.key === '{event}')", 10)


def test_columns_are_chosen_and_kept_by_the_link(page):
    click(page, "#columns")
    page.wait("document.querySelectorAll('.choice').length > 15")
    for field in ["input.petal_width", "user"]:
        click(page, f".choice input[value='{field}']")
    page.eval("[...document.querySelectorAll('dialog button')].find(b => b.innerText === 'Show').click()")
    heads = "[...document.querySelectorAll('#list th')].map(h => h.innerText)"
    page.wait(f"{heads}.includes('input.petal_width')")
    assert "User" not in page.eval(heads)
    page.go(page.eval("location.href"))
    page.wait(f"{ROWS}.length > 0 && {heads}.includes('input.petal_width')")


def test_a_time_is_chosen_by_dragging(page):
    page.wait("!!Chart.getChart(document.querySelector('#histogram canvas'))")
    page.drag("#histogram canvas", 0.2, 0.6)
    page.wait("/from=\\d+&to=\\d+/.test(location.search)")
    page.wait("document.getElementById('list').innerText.includes('No event in this time range')")
    click(page, ".range .icon-button")
    page.eval("document.getElementById('range').value = 'now-1h'; document.getElementById('range').dispatchEvent(new Event('change'))")
    page.wait(f"{ROWS}.length === 50 && location.search === '?from=now-1h'")


def test_keys_walk_the_list(page):
    first, second = keys(page)[:2]
    page.press("j")
    page.wait(f"document.querySelector('#list tr.selected')?.dataset.key === {json.dumps(first)}")
    page.press("j")
    page.press("k")
    page.press("j")
    page.press("Enter")
    page.wait(f"location.search.includes({json.dumps(second)}) && !!document.querySelector('#detail')")
    page.press("k")
    page.wait(f"location.search.includes({json.dumps(first)})")
    page.press("Escape")
    page.wait("!document.querySelector('#detail') && !location.search.includes('id=')")


def test_one_event_in_detail_and_tried_again(s, page):
    page.go(f"http://127.0.0.1:{s.dashboard}/events?id={s.one}")
    page.wait("document.querySelector('#detail [aria-label=\"The shadow’s answer\"]')?.innerText.includes('differs')")
    detail = page.eval("document.getElementById('detail').innerText")
    for part in ["virginica", "petal_width", "2.2", "the model", "iris 2", "tags.Channel", "app", "Raw JSON"]:
        assert part in detail, part
    assert page.eval("document.querySelectorAll('#detail .near li').length") >= 4
    assert json.loads(page.eval("document.querySelector('#detail details pre').textContent")) == s.event(s.one)
    # another value, another answer, and both are shown
    page.eval("document.querySelector('#detail input[aria-label=petal_length]').value = '1.4'; document.querySelector('#detail input[aria-label=petal_width]').value = '0.2'; document.querySelector('#detail input[aria-label=sepal_length]').value = '5'")
    click(page, "#detail .try .primary")
    page.wait("document.querySelector('#detail .now')?.innerText === 'setosa'")
    assert "virginica" in page.eval("document.querySelector('#detail .both').innerText")
    again = wait_for("its event", 10, lambda: request(s.dashboard, "POST", "/api/search/predictions/_search", {"query": {"term": {"tags.Again.keyword": s.one}}}).json()["hits"]["hits"])
    assert again[0]["_source"]["input"]["petal_length"] == 1.4
    page.eval("document.querySelector('#detail input[aria-label=petal_length]').value = 'long'")
    click(page, "#detail .try .primary")
    page.wait("document.querySelector('#detail .now.bad')?.innerText.includes('petal_length')")
    page.problems[:] = [p for p in page.problems if "400" not in p]  # the refusal that was asked for
    # a fact filters
    page.eval("[...document.querySelectorAll('#detail .fact-actions button')].find(b => b.ariaLabel === 'Only input.petal_width of this value').click()")
    page.wait("new URLSearchParams(location.search).get('q') === 'input.petal_width:2.2'")
    wait_for("the list", 10, lambda: s.one in keys(page) and len(keys(page)) == 50)
    check_looks(page, "event")


def test_the_looks(page):
    check_looks(page, "events")


def test_hostile_text_is_text(s, page):
    model = pathlib.Path(shutil.copytree(ROOT / "share/samples/iris-forest", s.folder / "hostile"))
    for name in ["MLmodel", "model.pkl", "input_example.json", "serving_input_example.json"]:
        file = model / name
        file.write_bytes(file.read_bytes().replace(b"petal_width", FEATURE.encode()))
    s.register(NAUGHTY[0], model, alias="production")
    path = "/models/%3Cimg%20src%3Dx%20onerror%3D%22window.hacked%3D1%22%3E/predict"
    row = {k: v for k, v in ROW.items() if k != "petal_width"}
    for i, text in enumerate(NAUGHTY):
        headers = {"X-User-Id": text.encode(), "X-Session-Id": text.encode(), "X-Tag-Note": text.encode(), "X-Request-ID": f"naughty-{i}"}
        a = s.post(path, {**row, FEATURE: 0.2}, headers=headers)
        assert a.status == 200, a
        assert s.post(path, {**row, FEATURE: text}, headers=headers).status == 400
    naughty = a.json()["event_id"]
    search(page, f'model.keyword:{json.dumps(NAUGHTY[0])}')
    page.wait(f"{ROWS}.length === {2 * len(NAUGHTY)}")
    shown = page.eval("document.querySelector('main').innerText")
    for text in NAUGHTY:
        assert text in shown, text
    page.eval(f"document.querySelector('#list tr[data-key=\"{naughty}\"] td').click()")
    page.wait("document.querySelectorAll('#detail .near li').length >= 3")
    detail = page.eval("document.querySelector('#detail').innerText")
    assert NAUGHTY[-1] in detail and NAUGHTY[0] in detail and FEATURE in detail
    click(page, "#detail .try .primary")
    page.wait("!!document.querySelector('#detail .now')")
    page.press("Escape")
    # in completion
    for text in NAUGHTY:
        page.eval("document.getElementById('query').focus(); document.getElementById('query').value = ''")
        page.type("user:")
        page.wait(f"document.getElementById('suggestions').innerText.includes({json.dumps(text)})")
        page.eval("document.activeElement.blur()")
    click(page, "#columns")
    page.wait("document.querySelectorAll('.choice').length > 15")
    assert FEATURE in page.eval("document.querySelector('dialog').innerText")
    page.press("Escape")
    assert page.eval("window.hacked") is None
    assert page.eval("document.querySelectorAll('main img, main script, main i, main b > b, #detail img, #detail i, dialog i').length") == 0
    check_looks(page, "hostile")


def test_it_says_when_the_search_fails_and_goes_on(s, page):
    page.call("Network.setBlockedURLs", urls=["*/api/search/*"])
    page.eval("document.getElementById('range').value = 'now-1h'; document.getElementById('range').dispatchEvent(new Event('change'))")
    page.wait("document.getElementById('list').innerText.includes('sibyl does not answer')")
    page.call("Network.setBlockedURLs", urls=[])
    page.eval("[...document.querySelectorAll('#list button')].find(b => b.innerText === 'Try again').click()")
    page.wait(f"{ROWS}.length > 10")
