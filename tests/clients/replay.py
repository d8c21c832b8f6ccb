"""A script of REST calls whose answers two servers must agree on, and what makes answers comparable."""
import json
import re

API = "/api/2.0/mlflow/"
PROMPT = "mlflow.prompt.is_prompt"


class Replay:
    """Runs the script against one server and keeps (label, status, answer). `tag` makes names of one replay
    differ from those of another on the same database."""

    def __init__(self, server, tag):
        self.server, self.tag, self.answers = server, tag, []

    def call(self, method, path, body=None, query=None, label=None, **kw):
        full = path if path.startswith("/") else API + path
        r = self.server.call(method, full, body, query, **kw)
        try:
            answer = r.json()
        except ValueError:
            answer = {"text": r.body.decode(errors="replace")}
        self.answers.append((label or f"{method} {path} {json.dumps(body or query)}", r.status, answer))
        return answer

    def post(self, path, /, **body):
        return self.call("POST", path, body)

    def get(self, path, /, **query):
        return self.call("GET", path, query=query)

    # -- the script --

    def run(self):
        self.experiments()
        self.runs()
        self.metrics()
        self.searches()
        self.logged_models()
        self.registry()
        self.artifacts()
        self.mistakes()
        return self.answers

    def experiments(self):
        t = self.tag
        self.e1 = self.post("experiments/create", name=f"{t}-one",
                            tags=[{"key": "team", "value": "a"}])["experiment_id"]
        self.e2 = self.post("experiments/create", name=f"{t}-two",
                            artifact_location="mlflow-artifacts:/special/x")["experiment_id"]
        self.post("experiments/create", name=f"{t}-one")
        self.get("experiments/get", experiment_id=self.e1)
        self.get("experiments/get-by-name", experiment_name=f"{t}-two")
        self.get("experiments/get-by-name", experiment_name=f"{t}-none")
        self.get("experiments/get", experiment_id="999999")
        self.post("experiments/set-experiment-tag", experiment_id=self.e1, key="k", value="v")
        self.post("experiments/delete-experiment-tag", experiment_id=self.e1, key="team")
        self.post("experiments/delete-experiment-tag", experiment_id=self.e1, key="never")
        self.post("experiments/update", experiment_id=self.e2, new_name=f"{t}-renamed")
        self.post("experiments/search", filter=f"name LIKE '{t}-%'", order_by=["name DESC"], max_results=10)
        self.post("experiments/search", filter="tags.k = 'v'", max_results=5, view_type="ALL")
        self.post("experiments/search", filter=f"name ILIKE '{t.upper()}-%'", max_results=1)
        self.post("experiments/search", filter="tags.k = 'v' OR name = 'x'", max_results=5)
        self.post("experiments/search", max_results=0)
        self.post("experiments/search", max_results=100000)
        self.post("experiments/search", max_results=3, page_token="nonsense")
        self.post("experiments/delete", experiment_id=self.e2)
        self.get("experiments/get", experiment_id=self.e2)
        self.post("experiments/search", filter=f"name LIKE '{t}-%'", view_type="DELETED_ONLY", max_results=9)
        self.post("experiments/delete", experiment_id="424242")
        self.post("experiments/restore", experiment_id=self.e2)

    def new_run(self, name, start, **more):
        r = self.post("runs/create", experiment_id=self.e1, run_name=name, start_time=start,
                      user_id="ann", tags=[{"key": "mlflow.user", "value": "ann"}], **more)
        return r["run"]["info"]["run_id"]

    def runs(self):
        self.r1 = self.new_run("first", 1700000000000)
        self.r2 = self.new_run("second", 1700000001000)
        self.r3 = self.new_run("third", 1700000002000)
        for run, lr in ((self.r1, "0.1"), (self.r2, "0.01"), (self.r3, "0.1")):
            self.post("runs/log-parameter", run_id=run, key="lr", value=lr)
        self.post("runs/log-parameter", run_id=self.r1, key="lr", value="0.1")
        self.post("runs/log-parameter", run_id=self.r1, key="lr", value="0.2")
        self.post("runs/log-parameter", run_uuid=self.r1, key="empty", value="")
        self.post("runs/set-tag", run_id=self.r1, key="stage", value="dev")
        self.post("runs/set-tag", run_id=self.r2, key="stage", value="Dev%x")
        self.post("runs/delete-tag", run_id=self.r1, key="never")
        self.post("runs/set-tag", run_id=self.r1, key="gone", value="1")
        self.post("runs/delete-tag", run_id=self.r1, key="gone")
        self.post("runs/update", run_id=self.r1, status="FINISHED", end_time=1700000009000)
        self.post("runs/update", run_id=self.r2, run_name="second-b", status="FAILED")
        self.post("runs/log-inputs", run_id=self.r1, datasets=[{
            "tags": [{"key": "mlflow.data.context", "value": "training"}],
            "dataset": {"name": "iris", "digest": "abc", "source_type": "local", "source": "{}",
                        "schema": "{\"a\": 1}", "profile": "{}"}}])
        self.post("runs/log-model", run_id=self.r2, model_json=json.dumps(
            {"artifact_path": "m", "flavors": {}, "utc_time_created": "2024-01-01 00:00:00.000000",
             "run_id": self.r2}))
        self.post("runs/log-model", run_id=self.r2, model_json="{}x")
        self.get("runs/get", run_id=self.r1)
        self.get("runs/get", run_uuid=self.r2)
        self.get("runs/get", run_id="0" * 32)
        self.post("runs/delete", run_id=self.r3)
        self.post("runs/log-parameter", run_id=self.r3, key="late", value="1")
        self.get("runs/get", run_id=self.r3)
        self.post("runs/restore", run_id=self.r3)
        datasets = "/ajax-api/2.0/mlflow/experiments/search-datasets"
        self.call("POST", datasets, {"experiment_ids": [self.e1]})
        self.call("POST", datasets, {"experiment_ids": []})

    def metrics(self):
        for i in range(5):
            self.post("runs/log-metric", run_id=self.r1, key="loss", value=1.0 / (i + 1),
                      timestamp=1700000000000 + i, step=i)
        self.post("runs/log-metric", run_id=self.r1, key="loss", value=0.2, timestamp=1700000000004, step=4)
        self.post("runs/log-metric", run_id=self.r1, key="nan", value="NaN", timestamp=1, step=0)
        self.post("runs/log-metric", run_id=self.r2, key="loss", value="Infinity", timestamp=1, step="3")
        self.post("runs/log-batch", run_id=self.r2,
                  metrics=[{"key": "acc", "value": 0.5 + i / 100, "timestamp": i, "step": i} for i in range(20)],
                  params=[{"key": "p1", "value": "x"}], tags=[{"key": "b", "value": "y"}])
        self.post("runs/log-batch", run_id=self.r3,
                  metrics=[{"key": "acc", "value": -2, "timestamp": 5}], params=[], tags=[])
        self.get("metrics/get-history", run_id=self.r1, metric_key="loss", max_results=3)
        self.get("metrics/get-history", run_id=self.r1, metric_key="loss", max_results=25000)
        self.get("metrics/get-history", run_id=self.r2, metric_key="loss", max_results=25000)
        self.get("metrics/get-history", run_id=self.r1, metric_key="none", max_results=25000)
        self.get("metrics/get-history", run_id=self.r1, metric_key="loss", max_results=0)
        self.get("metrics/get-history-bulk-interval", run_ids=[self.r1, self.r2], metric_key="loss",
                 max_results=100)
        self.get("metrics/get-history-bulk-interval", run_ids=[self.r2], metric_key="acc", start_step=2,
                 end_step=7, max_results=3)
        self.get("metrics/get-history-bulk-interval", run_ids=[self.r2], metric_key="acc", start_step=2)
        self.get("/ajax-api/2.0/mlflow/metrics/get-history-bulk", run_id=[self.r1, self.r2], metric_key="loss")

    def search(self, filter="", **more):
        self.post("runs/search", experiment_ids=[self.e1], filter=filter, max_results=10, **more)

    def searches(self):
        for f in ("params.lr = '0.1'", "metrics.loss < 0.5", "metrics.`loss` >= 0.2 AND params.lr != '0.5'",
                  "tags.stage LIKE 'de%'", "tags.stage ILIKE 'de%'", "attributes.status = 'FINISHED'",
                  "attributes.run_name IN ('first')", f"attributes.run_id IN ('{self.r1}', '{self.r2}')",
                  "attributes.start_time > 1700000000500", "run_name LIKE '%cond%'", "tags.stage IS NULL",
                  "params.p1 IS NOT NULL", "dataset.name = 'iris'", "dataset.context = 'training'",
                  "attributes.artifact_uri LIKE '%artifacts'", "params.lr = 0.1", "metrics.loss = 'x'",
                  "nonsense", "foo.bar = 'x'", "attributes.nope = 'x'", "params.lr > '1'",
                  "params.lr = '0.1' OR params.lr = '0.2'", "metrics.loss = 1.0 AND",
                  "tags.\"stage\" = \"dev\"", "params.lr = '0.1';", "attributes.end_time IS NULL"):
            self.search(f)
        for order in (["metrics.loss ASC"], ["metrics.loss DESC"], ["params.lr ASC", "metrics.acc DESC"],
                      ["attributes.start_time ASC"], ["tags.stage DESC"], ["attributes.nope ASC"],
                      ["metrics.loss SIDEWAYS"], ["start_time ASC", "start_time DESC"]):
            self.search(order_by=order)
        page = self.post("runs/search", experiment_ids=[self.e1], max_results=2, order_by=["run_name ASC"])
        self.post("runs/search", experiment_ids=[self.e1], max_results=2, order_by=["run_name ASC"],
                  page_token=page.get("next_page_token", ""))
        self.post("runs/search", experiment_ids=[self.e1], max_results=50001)
        self.post("runs/search", experiment_ids=[self.e1], max_results="2", run_view_type="ALL",
                  order_by=["start_time DESC"])
        self.post("runs/search", experiment_ids=[], max_results=2)

    def logged_models(self):
        m = self.post("logged-models", experiment_id=self.e1, name="forest", model_type="sklearn",
                      source_run_id=self.r1, params=[{"key": "depth", "value": "3"}],
                      tags=[{"key": "a", "value": "b"}])
        self.m1 = m["model"]["info"]["model_id"]
        self.get(f"logged-models/{self.m1}")
        self.post(f"logged-models/{self.m1}/params", model_id=self.m1, params=[{"key": "n", "value": "9"}])
        self.call("PATCH", f"logged-models/{self.m1}/tags", {"tags": [{"key": "c", "value": "d"}]})
        self.call("DELETE", f"logged-models/{self.m1}/tags/a")
        self.call("DELETE", f"logged-models/{self.m1}/tags/never")
        self.call("PATCH", f"logged-models/{self.m1}", {"model_id": self.m1, "status": "LOGGED_MODEL_READY"})
        self.post("runs/outputs", run_id=self.r1, models=[{"model_id": self.m1, "step": 2}])
        self.post("runs/log-inputs", run_id=self.r2, models=[{"model_id": self.m1}])
        self.post("runs/log-metric", run_id=self.r1, key="auc", value=0.9, timestamp=7, step=1,
                  model_id=self.m1, dataset_name="iris", dataset_digest="abc")
        self.get("runs/get", run_id=self.r1)
        self.get("runs/get", run_id=self.r2)
        self.get(f"logged-models/{self.m1}")
        self.post("logged-models", experiment_id=self.e1, name="bad/name")
        m2 = self.post("logged-models", experiment_id=self.e1, name="other")["model"]["info"]["model_id"]
        for f in ("name = 'forest'", "params.depth = '3'", "metrics.auc > 0.5", "tags.c = 'd'",
                  "status = 'READY'", "model_type LIKE 'skl%'", f"source_run_id = '{self.r1}'", "nope = 'x'",
                  "metrics.auc > 'x'"):
            self.post("logged-models/search", experiment_ids=[self.e1], filter=f, max_results=5)
        self.post("logged-models/search", experiment_ids=[self.e1], max_results=5,
                  order_by=[{"field_name": "metrics.auc", "ascending": False, "dataset_name": "iris"}])
        self.post("logged-models/search", experiment_ids=[self.e1], max_results=1)
        self.post("logged-models/search", max_results=1)
        self.call("DELETE", f"logged-models/{m2}")
        self.get(f"logged-models/{m2}")
        self.get(f"logged-models/{m2}", allow_deleted="true")
        self.get("logged-models/m-00000000000000000000000000000000")

    def registry(self):
        t = self.tag
        a, b = f"{t}-model", f"{t}-other"
        self.post("registered-models/create", name=a, description="d", tags=[{"key": "x", "value": "1"}])
        self.post("registered-models/create", name=a)
        self.post("registered-models/create", name="")
        self.post("registered-models/create", name=f"{t}/slash")
        self.post("registered-models/create", name=b)
        self.get("registered-models/get", name=a)
        self.get("registered-models/get", name=f"{t}-missing")
        self.call("PATCH", "registered-models/update", {"name": a, "description": "new"})
        self.post("registered-models/set-tag", name=a, key="y", value="2")
        self.call("DELETE", "registered-models/delete-tag", {"name": a, "key": "x"})
        self.post("model-versions/create", name=a, source=f"models:/{self.m1}", model_id=self.m1, description="v1")
        self.post("model-versions/create", name=a, source=f"models:/{self.m1}", model_id=self.m1, run_id=self.r1)
        self.post("model-versions/create", name=a, source=f"mlflow-artifacts:/{self.e1}/{self.r1}/artifacts/m",
                  run_id=self.r1, run_link="http://x/y", tags=[{"key": "t", "value": "u"}])
        self.post("model-versions/create", name=f"{t}-missing", source=f"models:/{self.m1}", model_id=self.m1)
        self.post("model-versions/create", name=a, source="mlflow-artifacts:/1/abc/artifacts/m")
        self.post("model-versions/create", name=a, source="/etc/passwd")
        self.post("model-versions/create", name=a, source="file:///etc/passwd")
        self.post("model-versions/create", name=a, source="mlflow-artifacts:/1/%2e%2e/x")
        self.post("model-versions/create", name=a, source="s3://bucket/a/../b")
        self.post("model-versions/create", name=a)
        self.get("model-versions/get", name=a, version="1")
        self.get("model-versions/get", name=a, version="99")
        self.get("model-versions/get", name=a, version="x")
        self.get("model-versions/get-download-uri", name=a, version="1")
        self.get("model-versions/get-download-uri", name=a, version="3")
        self.get("logged-models/" + self.m1)
        self.call("PATCH", "model-versions/update", {"name": a, "version": "2", "description": "nn"})
        self.post("model-versions/set-tag", name=a, version="2", key="k", value="v")
        self.post("model-versions/set-tag", name=a, version="2", key="k2", value="v")
        self.call("DELETE", "model-versions/delete-tag", {"name": a, "version": "2", "key": "k2"})
        self.post("registered-models/alias", name=a, alias="champion", version="1")
        self.post("registered-models/alias", name=a, alias="champion", version="2")
        self.post("registered-models/alias", name=a, alias="latest", version="2")
        self.post("registered-models/alias", name=a, alias="v12", version="2")
        self.post("registered-models/alias", name=a, alias="not ok", version="2")
        self.post("registered-models/alias", name=a, alias="none", version="77")
        self.get("registered-models/alias", name=a, alias="champion")
        self.get("registered-models/alias", name=a, alias="missing")
        self.get("registered-models/get", name=a)
        self.post("model-versions/transition-stage", name=a, version="1", stage="production",
                  archive_existing_versions=False)
        self.post("model-versions/transition-stage", name=a, version="2", stage="Production",
                  archive_existing_versions=True)
        self.post("model-versions/transition-stage", name=a, version="2", stage="Nowhere",
                  archive_existing_versions=False)
        self.post("model-versions/transition-stage", name=a, version="2", stage="None",
                  archive_existing_versions=True)
        self.post("registered-models/get-latest-versions", name=a)
        self.post("registered-models/get-latest-versions", name=a, stages=["Production", "archived"])
        for f in (f"name = '{a}'", f"name='{a}' and tags.k = 'v'", f"run_id = '{self.r1}'",
                  "source_path LIKE 'mlflow%'", "nope = 'x'", f"name IN ('{a}')"):
            self.get("model-versions/search", filter=f, max_results=10)
        self.get("model-versions/search", filter=f"name = '{a}'", max_results=1, order_by="version_number ASC")
        self.get("model-versions/search", filter=f"name = '{a}'", max_results=200001)
        for f in (f"name LIKE '{t}-%'", f"name ILIKE '{t.upper()}-M%'", "nope = 'x'",
                  f"name LIKE '{t}%' AND tags.y = '2'"):
            self.get("registered-models/search", filter=f, max_results=10)
        self.get("registered-models/search", filter=f"name LIKE '{t}-%'", max_results=1, order_by="name DESC")
        self.get("registered-models/search", max_results=1001)
        self.get("registered-models/search", max_results=1, order_by="nope")
        self.call("DELETE", "registered-models/alias", {"name": a, "alias": "champion"})
        self.call("DELETE", "registered-models/alias", {"name": a, "alias": "champion"})
        self.call("DELETE", "model-versions/delete", {"name": a, "version": "3"})
        self.get("model-versions/get", name=a, version="3")
        self.post("model-versions/create", name=a, source=f"models:/{self.m1}", model_id=self.m1)
        self.post("registered-models/rename", name=b, new_name=f"{t}-renamed")
        self.post("registered-models/rename", name=f"{t}-renamed", new_name=a)
        self.call("DELETE", "registered-models/delete", {"name": f"{t}-renamed"})
        self.call("DELETE", "registered-models/delete", {"name": f"{t}-renamed"})
        self.post("registered-models/create", name=f"{t}-prompt", tags=[{"key": PROMPT, "value": "true"}])
        self.get("registered-models/search", filter=f"name LIKE '{t}-%'", max_results=10)
        self.get("registered-models/search", filter=f"name LIKE '{t}-%' AND tags.`{PROMPT}` = 'true'",
                 max_results=10)

    def artifacts(self):
        files = "/api/2.0/mlflow-artifacts/artifacts"
        root = f"{self.tag}/run/artifacts"
        for name in ("a.txt", "d/b%20c.json", "d/e/f.bin"):
            self.call("PUT", f"{files}/{root}/{name}", raw=b"hello " + name.encode())
        self.call("PUT", f"{files}/{root}/empty", raw=b"")
        self.call("GET", files, query={"path": root})
        self.call("GET", files, query={"path": root + "/d"})
        self.call("GET", files, query={"path": root + "/a.txt"})
        self.call("GET", files, query={"path": root + "/missing"})
        self.call("GET", f"{files}/{root}/a.txt")
        self.call("GET", f"{files}/{root}/d/b%20c.json")
        self.call("GET", f"{files}/{root}/missing")
        self.call("GET", f"{files}/{root}/d")
        self.call("DELETE", f"{files}/{root}/a.txt")
        self.call("DELETE", f"{files}/{root}/a.txt")
        self.call("GET", f"{files}/{root}/a.txt")
        self.call("PUT", f"{files}/{self.e1}/{self.r1}/artifacts/sub/x.txt", raw=b"x")
        self.get("artifacts/list", run_id=self.r1)
        self.get("artifacts/list", run_id=self.r1, path="sub")
        self.get("artifacts/list", run_id=self.r1, path="../x")
        self.call("GET", "/get-artifact", query={"run_id": self.r1, "path": "sub/x.txt"})
        self.call("PUT", f"{files}/{self.e1}/models/{self.m1}/artifacts/MLmodel", raw=b"flavors: {}\n")
        self.get(f"logged-models/{self.m1}/artifacts/directories")
        self.call("GET", "/model-versions/get-artifact",
                  query={"name": f"{self.tag}-model", "version": "1", "path": "MLmodel"})

    def mistakes(self):
        for route in ("runs/create", "runs/log-metric", "runs/log-batch", "logged-models", "runs/update",
                      "registered-models/alias", "model-versions/create", "experiments/update"):
            self.call("POST", route, {}, label=f"POST {route} without fields")
        self.post("runs/log-metric", run_id=self.r1, key="k", value="abc", timestamp=1)
        self.post("runs/log-metric", run_id=self.r1, key="k", value=1, timestamp="soon")
        self.post("runs/log-metric", run_id=self.r1, key="", value=1, timestamp=1)
        self.post("runs/log-batch", run_id=self.r1, metrics=[{"key": "x", "value": 1}])
        self.post("runs/log-batch", run_id=self.r1, params=[{"value": "1"}])
        self.post("runs/log-batch", run_id=self.r1, params=[{"key": "lr", "value": "other"}])
        self.post("runs/log-batch", run_id=self.r1, params=[{"key": f"p{i}", "value": "1"} for i in range(101)])
        self.post("runs/log-parameter", run_id=self.r1, key="k" * 251, value="1")
        self.post("runs/log-parameter", run_id=self.r1, key="../up", value="1")
        self.post("runs/set-tag", run_id=self.r1, key="long", value="x" * 9000)
        self.post("experiments/create", name=5)
        self.post("experiments/create", name=["x"])
        self.post("runs/search", experiment_ids=self.e1)
        self.post("runs/search", experiment_ids=[1])
        self.call("POST", "experiments/create", raw=b'{"name": "text"}',
                  headers={"Content-Type": "text/plain"}, label="POST as text/plain")
        self.call("POST", "experiments/create", raw=json.dumps(json.dumps({"name": f"{self.tag}-twice"})).encode(),
                  headers={"Content-Type": "application/json; charset=utf-8"}, label="POST encoded twice")


# -- comparing --

SORTED = {"tags", "params", "metrics", "aliases", "files", "latest_versions"}
TIMES = re.compile(r"(^|_)(time|timestamp|timestamp_ms)$")
RANDOM = [("RUN", re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")), ("NAME", re.compile(r"^[a-z]+-[a-z]+-\d{1,3}$"))]


class Normal:
    """Ids by the order they appear in, moments as their presence, sets in one order. Without a start,
    ids and moments stay: two servers on the same rows."""

    def __init__(self, start):
        self.start, self.seen = start, {}

    def text(self, s):
        if s.startswith('[{"run_id"'):  # mlflow.log-model.history: JSON text, which differs in blanks and nulls
            s = json.dumps([{k: v for k, v in x.items() if v is not None} for x in json.loads(s)])
        if s.startswith('[{"name"'):  # mlflow.modelVersions: the version is a number or, from 3.18 on, text
            s = json.dumps([{k: str(v) for k, v in sorted(x.items())} for x in json.loads(s)])
        # Python prints sets in any order
        s = re.sub(r"'?\{('[^{}]*')\}'?", lambda m: "{" + ", ".join(sorted(m[1].split(", "))) + "}", s)
        for kind, pattern in RANDOM if self.start else ():
            s = pattern.sub(lambda m: self.seen.setdefault(m[0], f"<{kind}{len(self.seen)}>"), s)
        return s

    def value(self, v, key=""):
        if isinstance(v, dict):
            # error_class and sqlstate are newer companions of error_code that no client reads; an
            # empty object in an answer is the absence of what it would hold
            out = {k: self.value(x, k) for k, x in sorted(v.items()) if k not in ("error_class", "sqlstate")}
            if "current_stage" in out:  # a model version; ours also says which logged model it is of
                out.pop("model_id", None)
            return {k: x for k, x in out.items() if x != {}}
        if isinstance(v, list):
            v = [self.value(x) for x in v]
            if key in SORTED:
                v.sort(key=lambda x: json.dumps(x, sort_keys=True))
            return v
        if key == "next_page_token":
            return "<TOKEN>"
        if isinstance(v, (int, float)) and not isinstance(v, bool) and self.start and TIMES.search(key) and v >= self.start:
            return "<NOW>"
        if isinstance(v, str):
            return self.text(v)
        return v


def differences(ours, theirs, start, explained):
    """Unexplained lines, and the reasons that were used. explained: [(pattern of label, reason, what it covers)]."""
    a, b = Normal(start), Normal(start)
    lines, used = [], set()
    assert len(ours) == len(theirs)
    for (label, s1, v1), (_, s2, v2) in zip(ours, theirs):
        n1, n2 = (s1, a.value(v1)), (s2, b.value(v2))
        label = a.text(label)
        if n1 == n2:
            continue
        for pattern, reason, covers in explained:
            if re.search(pattern, label) and covers(n1, n2):
                used.add(reason)
                break
        else:
            lines.append(f"{label[:300]}\n    ours   {n1[0]} {json.dumps(n1[1])[:1500]}\n"
                         f"    theirs {n2[0]} {json.dumps(n2[1])[:1500]}")
    return lines, used
