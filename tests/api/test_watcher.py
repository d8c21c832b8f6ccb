"""The registry watcher: slow models delay no other, only the newest wish counts, a registry that cannot push is polled
with one call, and what it fails to say of one model concerns that model alone."""
import collections
import http.server
import json
import pathlib
import threading
import time
import urllib.parse

import pytest
from sibyl import Sibyl, wait_for

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def gated_model(folder, gate, answer):
    """A model whose loading takes until the file `gate` exists."""
    (folder / "code").mkdir(parents=True)
    module = f"gated_{answer}"
    (folder / "code" / f"{module}.py").write_text(f"""
import os, time
class Model:
    def predict(self, data, params=None):
        return ["{answer}"] * len(data)
def _load_pyfunc(path):
    while not os.path.exists({str(gate)!r}):
        time.sleep(0.02)
    return Model()
""")
    (folder / "MLmodel").write_text(f"""
flavors:
  python_function: {{loader_module: {module}, code: code, env: {{}}}}
mlflow_version: 3.0.0
signature:
  inputs: '[{{"type": "double", "name": "x", "required": true}}]'
  outputs: '[{{"type": "string", "name": "said", "required": true}}]'
""")
    return folder


@pytest.mark.san
def test_a_model_that_loads_slowly_delays_no_other_and_is_not_published_when_overtaken(fresh, model_folder, tmp_path):
    s, gate = fresh, tmp_path / "gate"
    s.register("slow", gated_model(tmp_path / "1", gate, "first"), alias="production", wait=0)
    wait_for("its worker", 30, s.worker_pids)
    s.register("iris", model_folder / "forest", wait=30)
    assert s.post("/models/iris/predict", ROW).status == 200 and "live" not in s.model("slow")
    open_gate = tmp_path / "1"  # exists
    s.alias("slow", "production", s.register("slow", gated_model(tmp_path / "2", open_gate, "second"), wait=0))
    s.alias("iris", "production", s.register("iris", model_folder / "always-a", wait=0))
    s.wait_live("iris", "2", 30)
    assert "live" not in s.model("slow")
    gate.touch()
    s.wait_live("slow", "2", 60)
    assert s.post("/models/slow/predict", {"x": 1.0}).json()["prediction"] == {"said": "second"}
    assert [v for v in ["1", "2"] if f"event=live model=slow version={v} " in s.log()] == ["2"]
    assert s.stop() == 0, s.log()[-3000:]


@pytest.mark.san
def test_a_stop_does_not_wait_for_a_model_that_is_being_loaded(fresh, tmp_path):
    s = fresh
    for i in range(3):
        s.register(f"slow-{i}", gated_model(tmp_path / str(i), tmp_path / "never", f"m{i}"), wait=0)
    wait_for("their workers", 60, lambda: len(s.worker_pids()) == 3)
    begin = time.monotonic()
    assert s.stop() == 0, s.log()[-3000:]
    assert time.monotonic() - begin < 5


class Registry(http.server.ThreadingHTTPServer):
    """The calls of a real MLflow server that the watcher makes, without push; counts them. A model is
    {name: {"versions": {number: folder}, "aliases": {..}, "status": what its version calls answer}}."""

    daemon_threads = True

    def __init__(self):
        self.models, self.calls, self.clock = {}, collections.Counter(), 1
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def add(self, name, folders=(), aliases=None):
        self.clock += 1
        self.models[name] = {"versions": dict(enumerate(map(pathlib.Path, folders), 1)), "aliases": aliases or {}, "updated": self.clock, "status": 200}

    def entry(self, name):
        m = self.models[name]
        newest = max(m["versions"], default=None)
        return {"name": name, "creation_timestamp": 1, "last_updated_timestamp": m["updated"],
                "latest_versions": [self.version(name, newest)] if newest else [],
                "aliases": [{"alias": a, "version": str(v)} for a, v in m["aliases"].items()]}

    def version(self, name, number):
        return {"name": name, "version": str(number), "creation_timestamp": number, "current_stage": "None", "status": "READY", "source": f"mlflow-artifacts:/{name}/{number}"}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        q = {k: v[0] for k, v in urllib.parse.parse_qs(url.query).items()}
        path = url.path.removeprefix("/api/2.0/")
        r = self.server
        r.calls[path.split("/artifacts/")[0]] += 1
        if path == "mlflow/registered-models/search":
            self.answer(200, {"registered_models": [r.entry(n) for n in sorted(r.models)]})
        elif path.startswith("mlflow/model-versions/"):
            m = r.models[q["name"]]
            uri = f"mlflow-artifacts:/{q['name']}/{q['version']}"
            ok = {"artifact_uri": uri} if path.endswith("get-download-uri") else {"model_version": r.version(q["name"], int(q["version"]))}
            self.answer(m["status"], ok if m["status"] == 200 else {"message": "the database is locked"})
        elif path.startswith("mlflow-artifacts/artifacts"):
            name, number, *rest = (q.get("path") or urllib.parse.unquote(path.removeprefix("mlflow-artifacts/artifacts/"))).split("/")
            at = r.models[name]["versions"][int(number)].joinpath(*rest)
            if "path" in q:
                self.answer(200, {"files": [{"path": f.name, "is_dir": f.is_dir(), "file_size": f.stat().st_size} for f in at.iterdir()]})
            else:
                self.answer(200, at.read_bytes())
        else:
            self.answer(404, {"message": "no such call"})

    def answer(self, status, body):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def polled():
    r = Registry()
    with Sibyl("--registry-url", f"http://127.0.0.1:{r.server_port}", wait=False) as s:
        wait_for("serving", 30, lambda: s.get("/health").status == 200)
        yield r, s
        assert s.stop() == 0
    r.shutdown()


def live(s):
    return {m["name"]: m["live"]["version"] for m in s.get("/models").json()["models"] if "live" in m}


def test_a_thousand_idle_models_cost_one_call_a_second(polled, model_folder):
    r, s = polled
    for i in range(990):
        r.add(f"idle-{i}")
    for i in range(10):
        r.add(f"m{i}", [model_folder / "always-a", model_folder / "always-b"], {"production": 1})
    wait_for("all of them", 60, lambda: len(live(s)) == 10 and len(s.get("/models").json()["models"]) == 1000)
    assert set(live(s).values()) == {"1"}
    r.calls.clear()
    wait_for("five rounds", 20, lambda: r.calls["mlflow/registered-models/search"] >= 5)
    assert set(r.calls) == {"mlflow/registered-models/search"}
    r.models["m3"]["aliases"] = {"production": 2}  # as MLflow does: the time of update does not move
    wait_for("the swap", 20, lambda: live(s)["m3"] == "2")
    assert set(r.calls) == {"mlflow/registered-models/search", "mlflow/model-versions/get-download-uri", "mlflow-artifacts/artifacts", "mlflow-artifacts"}


def test_a_failure_for_one_model_holds_up_no_other(polled, model_folder):
    r, s = polled
    r.add("a-sick", [model_folder / "always-a", model_folder / "always-b"], {"production": 1})
    r.models["a-sick"]["status"] = 500
    r.add("b-well", [model_folder / "always-b"])
    wait_for("the other", 30, lambda: live(s) == {"b-well": "1"})
    why = wait_for("the reason", 20, lambda: s.model("a-sick").get("failure"))
    assert "answered 500: the database is locked" in why
    assert s.get("/health").json()["registry"]["state"] == "connected"
    r.add("c-new", [model_folder / "always-a"])
    wait_for("one more", 20, lambda: live(s) == {"b-well": "1", "c-new": "1"})
    r.models["a-sick"]["status"] = 200
    wait_for("the sick one", 60, lambda: live(s).get("a-sick") == "1")
    assert "failure" not in s.model("a-sick")
