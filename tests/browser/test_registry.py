"""MLflow's own pages over our API in a real browser, and the way to the dashboard's where there is no mlflow."""
import json
import os
import pathlib
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parent.parent)]

from page import Page  # noqa: E402
from sibyl import CACHE, ROOT, Sibyl, wait_for  # noqa: E402


def seed(s, wait=True):
    """An experiment with two runs, a model with two versions of which the first is (or will be) live; (experiment, [run, run])."""
    experiment = s.mlflow("POST", "experiments/create", {"name": "house prices"})["experiment_id"]
    runs = []
    for i in range(2):
        run = s.mlflow("POST", "runs/create", {"experiment_id": experiment, "run_name": f"try-{i}", "start_time": int(time.time() * 1000), "user_id": "anna", "tags": [{"key": "mlflow.user", "value": "anna"}]})["run"]["info"]["run_id"]
        s.mlflow("POST", "runs/log-batch", {"run_id": run, "params": [{"key": "depth", "value": str(i + 3)}], "metrics": [{"key": "loss", "value": 1 / (k + 1 + i), "timestamp": 1000 + k, "step": k} for k in range(40)]})
        s.mlflow("POST", "runs/update", {"run_id": run, "status": "FINISHED", "end_time": int(time.time() * 1000) + 5000})
        runs.append(run)
    s.register("iris", ROOT / "share/samples/iris-forest", alias="production", wait=120 if wait else 0)
    s.register("iris", ROOT / "share/samples/iris-forest", wait=0)
    return experiment, runs


@pytest.fixture(scope="module")
def page():
    p = Page()
    yield p
    p.close()


def begin(page, width):
    """Leaves the page of the test before, which goes on asking a server that is gone."""
    page.go("about:blank")
    page.problems.clear()
    page.size(width, 1000)


def shown(page, text):
    page.wait(f"document.body.innerText.includes({json.dumps(text)})")


CLICK = """(() => { const e = [...document.querySelectorAll(%s)].filter(e => e.getClientRects().length).find(e => e.textContent.trim() === %s); if (e) e.click(); return !!e; })()"""


def click(page, selector, text):
    """The first visible element with exactly this text."""
    page.wait(CLICK % (json.dumps(selector), json.dumps(text)))


def not_ours(problem):
    """What MLflow's pages ask that MLflow without users, assistant or gateway answers 404 to as well, and Chromium's note on resizing."""
    return any(w in problem for w in ["/mlflow/users/current", "/mlflow/assistant/", "ResizeObserver"])


# ---- MLflow's own pages ----

def test_mlflow_s_pages_show_experiments_runs_charts_and_models_and_set_an_alias(page):
    with Sibyl() as s:
        experiment, runs = seed(s)
        begin(page, 1600)
        base = f"http://127.0.0.1:{s.registry}/"
        page.go(base)
        shown(page, "Welcome to MLflow")
        page.go(base + "#/experiments")
        shown(page, "house prices")
        page.screenshot("mlflow-experiments")
        click(page, "a", "house prices")
        page.go(base + f"#/experiments/{experiment}/runs")
        shown(page, "try-1")
        page.screenshot("mlflow-runs")
        # a run, by GraphQL, with a chart drawn from its history
        page.go(base + f"#/experiments/{experiment}/runs/{runs[0]}")
        for text in ["try-0", "anna", "Finished", "depth", "loss"]:
            shown(page, text)
        page.screenshot("mlflow-run")
        page.go(base + f"#/experiments/{experiment}/runs/{runs[0]}/model-metrics")
        page.wait("document.querySelectorAll('.js-plotly-plot .scatterlayer path.point, .js-plotly-plot .scatterlayer .points path').length >= 40")
        points = page.eval("[...document.querySelectorAll('.js-plotly-plot .scatterlayer path.js-line')].map(p => p.getAttribute('d').length)")
        assert points and max(points) > 200, points
        page.screenshot("mlflow-chart")
        # the registry, a version, and an alias by clicks
        page.go(base + "#/models")
        shown(page, "iris")
        page.eval("[...document.querySelectorAll('[role=dialog] button')].at(-1)?.click()")
        page.screenshot("mlflow-models")
        page.go(base + "#/models/iris/versions/2")
        shown(page, "Version 2")
        shown(page, "Schema")
        page.screenshot("mlflow-version")
        set_alias(page, "production")
        wait_for("the alias", 10, lambda: s.mlflow("GET", "registered-models/alias?name=iris&alias=production")["model_version"]["version"] == "2")
        s.wait_live("iris", 2)
        page.screenshot("mlflow-alias")
        page.eval("1")
        assert [p for p in page.problems if not not_ours(p)] == []


def set_alias(page, alias):
    """In the dialog of MLflow's version page."""
    page.wait("(() => { const e = document.querySelector('[data-component-id*=\"alias\"] button, button[data-component-id*=\"alias\"]'); if (e) e.click(); return !!e; })()")
    page.wait("!!document.querySelector('[role=dialog] input')")
    page.eval("document.querySelector('[role=dialog] input').focus()")
    page.call("Input.insertText", text=alias)
    for kind in ["keyDown", "keyUp"]:
        page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r" if kind == "keyDown" else "")
    click(page, "[role=dialog] button", "Save aliases")


@pytest.mark.parametrize("name, fallback, version", [("SIBYL_TEST_PY_311", "v311", "3.1.1"), ("SIBYL_TEST_PY_222", "v222", "2.22")])
def test_the_pages_of_older_releases_work_too(page, name, fallback, version):
    with Sibyl("--python", os.environ.get(name, str(CACHE / fallback / "bin/python"))) as s:
        experiment, runs = seed(s, wait=False)
        begin(page, 1600)
        base = f"http://127.0.0.1:{s.registry}/"
        page.go(base + f"#/experiments/{experiment}/runs/{runs[0]}")
        for text in [version, "try-0", "anna", "depth", "loss"]:
            shown(page, text)
        page.go(base + f"#/experiments/{experiment}/runs/{runs[0]}/model-metrics")
        page.wait("document.querySelectorAll('.js-plotly-plot .scatterlayer .points path').length >= 40")
        page.screenshot(f"mlflow-{version}-chart")
        page.go(base + "#/models/iris")
        shown(page, "Version 2")
        page.screenshot(f"mlflow-{version}-model")
        assert [p for p in page.problems if not not_ours(p)] == []


def test_without_mlflow_the_dashboard_s_page_opens(page):
    with Sibyl("--python", "/usr/bin/python3") as s:
        begin(page, 1200)
        page.go(f"http://127.0.0.1:{s.registry}/")
        shown(page, "No registered model yet")
        assert page.eval("location.port") == str(s.dashboard) and page.eval("location.pathname") == "/models"
        assert page.problems == []
