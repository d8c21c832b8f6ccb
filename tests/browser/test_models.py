"""Models: runs found and compared, aliases moved with a word of what goes live, a version tried out."""
import json
import time

import pytest

from dashboard import NAUGHTY, a_page, check_looks, platform
from sibyl import ROOT, request, wait_for

HOSTILE = NAUGHTY[0]
LONG = "a" * 90


@pytest.fixture(scope="module")
def page():
    with a_page() as p:
        yield p


@pytest.fixture(scope="module")
def s():
    with platform(shadow=True) as s:
        s.experiment = s.mlflow("POST", "experiments/create", {"name": "house prices"})["experiment_id"]
        s.runs = [run(s, s.experiment, f"try-{i}", {"depth": str(i + 3), "trees": "100"}, lambda k, i=i: 1 / (k + 1 + i)) for i in range(3)]
        s.bad_experiment = s.mlflow("POST", "experiments/create", {"name": HOSTILE})["experiment_id"]
        s.bad_run = run(s, s.bad_experiment, HOSTILE, {"p" + LONG: HOSTILE}, lambda k: k, metric="m/" + LONG, tags=[{"key": "note", "value": HOSTILE + LONG}])
        s.mlflow("POST", "registered-models/create", {"name": HOSTILE, "description": HOSTILE + LONG})
        s.mlflow("POST", "model-versions/create", {"name": HOSTILE, "source": s.mlflow("GET", f"runs/get?run_id={s.bad_run}")["run"]["info"]["artifact_uri"] + "/model", "run_id": s.bad_run, "description": HOSTILE})
        yield s


def run(s, experiment, name, params, value, metric="loss", tags=()):
    now = int(time.time() * 1000)
    made = s.mlflow("POST", "runs/create", {"experiment_id": experiment, "run_name": name, "start_time": now, "user_id": "anna", "tags": list(tags)})["run"]["info"]["run_id"]
    s.mlflow("POST", "runs/log-batch", {"run_id": made, "params": [{"key": k, "value": v} for k, v in params.items()], "metrics": [{"key": metric, "value": value(k), "timestamp": k + 1, "step": k} for k in range(40)]})
    s.mlflow("POST", "runs/update", {"run_id": made, "status": "FINISHED", "end_time": now + 5000})
    return made


def go(s, page, path=""):
    page.go(f"http://127.0.0.1:{s.dashboard}/models{path}")


def button(page, label, where="#page"):
    page.wait(f"(() => {{ const b = [...document.querySelectorAll('{where} button')].find(b => (b.ariaLabel || b.textContent) === {json.dumps(label)}); b?.click(); return !!b; }})()")


def test_lists_lead_to_runs_that_are_searched_and_compared(s, page):
    go(s, page)
    page.wait("document.querySelector('#models')?.innerText.includes('version 1') && document.querySelector('#experiments')?.innerText.includes('house prices')")
    assert page.eval(f"document.querySelector('#models').innerText.includes({json.dumps(HOSTILE)})")
    check_looks(page, "models")
    page.size(1600, 900)
    page.eval("[...document.querySelectorAll('#experiments a')].find(a => a.textContent === 'house prices').click()")
    page.wait("document.querySelectorAll('#runs tbody tr').length === 3")
    page.eval("(() => { const q = document.querySelector('#query'); q.value = \"params.depth = '4'\"; q.form.requestSubmit(); })()")
    page.wait("document.querySelectorAll('#runs tbody tr').length === 1 && document.querySelector('#runs tbody')?.innerText.includes('try-1')")
    assert "filter=params.depth" in page.eval("location.search") and page.problems == []
    page.eval("(() => { const q = document.querySelector('#query'); q.value = 'params.depth ='; q.form.requestSubmit(); })()")
    page.wait("!!document.querySelector('.query .bad:not([hidden])')?.textContent")
    assert all("400" in p for p in page.problems), page.problems
    page.problems.clear()
    page.eval("(() => { const q = document.querySelector('#query'); q.value = ''; q.form.requestSubmit(); })()")
    page.wait("document.querySelectorAll('#runs tbody tr').length === 3")
    check_looks(page, "models-runs")
    page.size(1600, 900)
    page.eval("[...document.querySelectorAll('#runs input[type=checkbox]')].slice(0, 2).forEach(b => b.click())")
    button(page, "Compare 2 runs")
    page.wait("document.querySelectorAll('svg.lines g').length === 2")
    assert page.eval("[...document.querySelectorAll('#params tr.differs th')].map(e => e.textContent)") == ["depth"]
    check_looks(page, "models-compare")
    page.size(1600, 900)
    page.eval("document.querySelector('#params thead a').click()")
    page.wait("document.querySelector('#run')?.innerText.includes('FINISHED') && document.querySelectorAll('svg.lines').length === 1")
    check_looks(page, "models-run")
    page.size(1600, 900)


def test_an_alias_moves_after_a_word_of_what_goes_live_and_the_move_is_listed(s, page):
    version = s.register("iris", ROOT / "share/samples/iris-boosted", wait=0)
    go(s, page, "?model=iris")
    button(page, f"Set alias production to version {version}")
    page.wait("document.querySelector('dialog')?.innerText.includes('instead of version 1') && document.querySelector('dialog')?.innerText.includes('output species: long instead of string')")
    page.screenshot("models-confirm")
    button(page, "Cancel", "dialog")
    page.wait("!document.querySelector('dialog')")
    assert s.mlflow("GET", "registered-models/alias?name=iris&alias=production")["model_version"]["version"] == "1"
    button(page, f"Set alias production to version {version}")
    button(page, "Move alias", "dialog")
    s.wait_live("iris", version)
    page.wait(f"document.querySelector('#live')?.innerText.includes('version\\n{version}')")
    page.wait("[...document.querySelectorAll('#moves tbody tr')].some(r => r.cells[1]?.textContent === 'alias.set' && r.cells[2]?.textContent === 'production' && r.cells[3]?.textContent === '1' && r.cells[4]?.textContent === '" + version + "')")
    # another alias, and away with it
    button(page, "Set another alias to version 1")
    page.wait("!!document.querySelector('dialog input')")
    page.eval("(() => { const i = document.querySelector('dialog input'); i.value = 'champion'; i.form.requestSubmit(); })()")
    page.wait("document.querySelector('dialog')?.innerText.includes('What is live does not change')")
    button(page, "Set alias", "dialog")
    button(page, "Remove alias champion")
    button(page, "Remove alias", "dialog")
    page.wait("[...document.querySelectorAll('#moves tbody tr')].some(r => r.cells[1]?.textContent === 'alias.delete' && r.cells[2]?.textContent === 'champion')")
    page.eval("document.activeElement.blur()")
    check_looks(page, "models-model")
    page.size(1600, 900)


def test_a_prediction_is_tried_and_recorded(s, page):
    go(s, page, "?model=iris")
    page.wait("document.querySelectorAll('#try input').length === 4")
    page.eval("document.querySelector('#try input[name=petal_width]').value = '0.3'")
    button(page, "Predict", "#try")
    page.wait("document.querySelector('#answer')?.textContent.startsWith('200')")
    found = wait_for("its event", 10, lambda: request(s.dashboard, "POST", "/api/search/predictions/_search", {"query": {"query_string": {"query": "tags.via:dashboard"}}}).json()["hits"]["hits"])
    assert next(h["_source"] for h in found if h["_source"]["role"] == "primary")["input"]["petal_width"] == 0.3
    assert page.problems == []
    page.eval("document.querySelector('#try input[name=petal_width]').value = 'wide'")
    button(page, "Predict", "#try")
    page.wait("document.querySelector('#answer')?.textContent.startsWith('400') && document.querySelector('#answer')?.textContent.includes('petal_width')")
    assert all("400" in p for p in page.problems), page.problems
    page.problems.clear()


def test_hostile_names_are_text_and_what_is_missing_is_said(s, page):
    encoded = page.eval(f"encodeURIComponent({json.dumps(HOSTILE)})")
    for name, path in [("hostile-model", f"?model={encoded}"), ("hostile-experiment", f"?experiment={s.bad_experiment}"), ("hostile-run", f"?run={s.bad_run}"), ("hostile-runs", f"?runs={s.bad_run},{s.runs[0]}")]:
        go(s, page, path)
        page.wait(f"document.querySelector('#page')?.innerText.includes({json.dumps(HOSTILE)})")
        check_looks(page, "models-" + name, widths=(360, 1600))
        assert page.eval("window.hacked") is None and page.eval("document.querySelectorAll('#page img').length") == 0
    page.size(1600, 900)
    go(s, page, "?model=nope")
    page.wait("!!document.querySelector('[role=alert]') && document.querySelector('[role=alert]')?.innerText.includes('nope')")
    assert all("404" in p for p in page.problems), page.problems
    page.problems.clear()


def test_lists_go_on_where_there_is_more(s, page):
    experiment = s.mlflow("POST", "experiments/create", {"name": "many"})["experiment_id"]
    for i in range(130):
        s.mlflow("POST", "runs/create", {"experiment_id": experiment, "run_name": f"run-{i}", "start_time": i + 1})
    go(s, page, f"?experiment={experiment}")
    page.wait("document.querySelectorAll('#runs tbody tr').length === 100")
    button(page, "More", "#runs")
    page.wait("document.querySelectorAll('#runs tbody tr').length === 130")
    assert page.eval("[...document.querySelectorAll('#runs button')].some(b => b.textContent === 'More')") is False and page.problems == []
