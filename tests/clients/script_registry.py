"""Logged models, the model registry, artifacts, and mistakes of every kind; after script_tracking.py."""
import json

from script_tracking import NO_RUN, Tracking

PROMPT = "mlflow.prompt.is_prompt"


class Script(Tracking):
    """All of it."""

    def run(self):
        self.tracking()
        self.logged_models()
        self.registry()
        self.artifacts()
        self.mistakes()
        self.logged_edges()
        self.registry_edges()
        self.artifact_edges()
        self.wrecks()
        self.cloud()
        return self.answers

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
        for route in ("runs/log-metric", "runs/log-batch", "logged-models", "runs/update",
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

    # -- edges --

    def logged_edges(self):
        m, e = self.m1, self.e1
        for name in ("x:y", "x.y", "x%y", "x\"y", "x'y"):
            self.post("logged-models", experiment_id=e, name=name)
        self.post("logged-models", name="of default")
        self.post("logged-models", experiment_id="999999", name="x")
        for value in ("9", "10"):
            self.post(f"logged-models/{m}/params", model_id=m, params=[{"key": "n", "value": value}])
        self.post("logged-models/m-none/params", model_id="m-none", params=[{"key": "n", "value": "9"}])
        self.call("PATCH", "logged-models/m-none", {"model_id": "m-none", "status": "LOGGED_MODEL_READY"})
        for status in ({"status": 3}, {"status": "LOGGED_MODEL_READY"}, {}):
            self.call("PATCH", f"logged-models/{m}", {"model_id": m, **status})
        self.call("PATCH", "logged-models/m-none/tags", {"tags": [{"key": "c", "value": "d"}]})
        self.call("PATCH", f"logged-models/{m}/tags", {"tags": [{"key": "c", "value": "x" * 9000}, {"key": "a.b c", "value": "1"}]})
        self.call("DELETE", f"logged-models/{m}/tags/a.b%20c")
        self.call("DELETE", "logged-models/m-none")
        self.call("DELETE", "logged-models/m-none/tags/x")
        self.post("runs/log-metric", run_id=self.r1, key="auc", value=0.95, timestamp=8, step=2, model_id=m)
        self.post("runs/log-metric", run_id=self.r1, key="auc", value=0.8, timestamp=9, step=0, model_id="m-none")
        self.post("runs/log-batch", run_id=self.r2, metrics=[
            {"key": "f1", "value": 0.5, "timestamp": 1, "step": 0, "model_id": m, "run_id": self.r2,
             "dataset_name": "iris", "dataset_digest": "abc"}])
        self.get(f"logged-models/{m}")
        for f in ("name LIKE 'for%'", "name ILIKE 'FOR%'", "name != 'forest'", "name IN ('forest')", "model_id = 'x'",
                  "attributes.name = 'forest'", "model_type = 'sklearn'", "creation_timestamp > 0", "creation_time > 0",
                  "last_updated_timestamp > 0", "params.depth != '3'", "params.depth IN ('3')", "tags.c IS NULL",
                  "metrics.auc >= 0.95 AND params.depth = '3'", "metrics.auc < 0", "metrics.auc = 'a'", "tags.a LIKE 'b'",
                  "status = 2", "source_run_id LIKE '%'", "name = 'forest' OR name = 'x'", "(name = 'x')", "name", "run_id = '1'"):
            self.post("logged-models/search", experiment_ids=[e], filter=f, max_results=20)
        for datasets in ([{"dataset_name": "iris"}], [{"dataset_name": "iris", "dataset_digest": "abc"}],
                         [{"dataset_name": "iris", "dataset_digest": "no"}], [{"dataset_digest": "abc"}], [{}]):
            self.post("logged-models/search", experiment_ids=[e], datasets=datasets, max_results=5)
            self.post("logged-models/search", experiment_ids=[e], datasets=datasets, filter="metrics.auc > 0.5", max_results=5)
        for order in ([{"field_name": "name"}], [{"field_name": "creation_timestamp", "ascending": False}], [{"field_name": "nope"}],
                      [{"field_name": "metrics.auc"}], [{"field_name": "params.depth"}], [{}],
                      [{"field_name": "metrics.f1", "dataset_digest": "abc"}], [{"field_name": "name"}, {"field_name": "name"}]):
            self.post("logged-models/search", experiment_ids=[e], order_by=order, max_results=3)
        page = self.post("logged-models/search", experiment_ids=[e], max_results=2, order_by=[{"field_name": "name"}])
        token = page.get("next_page_token", "")
        self.post("logged-models/search", experiment_ids=[e], max_results=2, order_by=[{"field_name": "name"}], page_token=token)
        self.post("logged-models/search", experiment_ids=[e, self.e2], max_results=2, order_by=[{"field_name": "name"}], page_token=token)
        self.post("logged-models/search", experiment_ids=[e], max_results=2, filter="name = 'x'", order_by=[{"field_name": "name"}],
                  page_token=token)
        self.post("logged-models/search", experiment_ids=[e], max_results=2, page_token=token)
        self.post("logged-models/search", experiment_ids=[e], max_results=2, page_token="junk")
        self.post("logged-models/search", experiment_ids=[e], max_results=-1)

    def registry_edges(self):
        t, m = self.tag, self.m1
        a, c = f"{t}-model", f"{t}-edges"
        self.post("registered-models/create", name=f"{t}:colon")
        self.post("registered-models/create", name=c, tags=[{"key": "k" * 251, "value": "1"}])
        self.post("registered-models/create", name=c, tags=[{"key": "", "value": "1"}])
        self.post("registered-models/create", name=c, tags=[{"key": "k", "value": "x" * 100001}])
        self.post("registered-models/create", name=c)
        self.get("registered-models/get")
        for path in ("registered-models/update", "registered-models/delete"):
            self.call("PATCH" if "update" in path else "DELETE", path, {"name": f"{t}-missing", "description": "x"})
        self.call("PATCH", "registered-models/update", {"name": c})
        self.get("registered-models/get", name=c)
        self.post("registered-models/rename", name=f"{t}-missing", new_name=f"{t}-new")
        self.post("registered-models/rename", name=c)
        self.post("registered-models/rename", name=c, new_name="a/b")
        self.post("registered-models/set-tag", name=f"{t}-missing", key="k", value="v")
        self.post("registered-models/set-tag", name=c, key="k")
        self.post("registered-models/set-tag", name=c, value="v")
        self.call("DELETE", "registered-models/delete-tag", {"name": c, "key": "never"})
        self.call("DELETE", "registered-models/delete-tag", {"name": f"{t}-missing", "key": "k"})
        self.post("model-versions/create", name=c, source=f"models:/{m}", model_id=m, description="one", tags=[{"key": "n", "value": "1"}])
        self.post("model-versions/create", name=c, source=f"models:/{a}/1")
        self.post("model-versions/create", name=c, source=f"models:/{a}/1", run_id=self.r2)
        self.post("model-versions/create", name=c, source=f"models:/{a}/1", run_id=self.r1)
        self.post("model-versions/create", name=c, source=f"models:/{a}/1", model_id="m-other")
        self.post("model-versions/create", name=c, source=f"models:/{a}/99")
        self.post("model-versions/create", name=c, source=f"models:/{a}@nobody")
        self.post("model-versions/create", name=c, source="models:/m-none", model_id="m-none")
        self.post("model-versions/create", name=c, source=f"runs:/{self.r1}/m", run_id=self.r1)
        self.post("model-versions/create", name=c, source="s3://bucket/m", run_id="nope")
        self.post("model-versions/create", name=c, source="")
        self.post("model-versions/create", name=c, source="http://127.0.0.1/api/2.0/mlflow-artifacts/artifacts/1/x")
        self.get("model-versions/get", name=c, version="2")
        self.get("model-versions/get", name=c)
        self.get("model-versions/get", name="", version="1")
        for version in ("0", "-1", "1.0", "latest", "99999999999"):
            self.get("model-versions/get", name=c, version=version)
        self.get("model-versions/get-download-uri", name=c, version="2")
        self.get("model-versions/get-download-uri", name=c, version="77")
        self.call("PATCH", "model-versions/update", {"name": c, "version": "77", "description": "x"})
        self.call("PATCH", "model-versions/update", {"name": c, "version": "1"})
        self.call("PATCH", "model-versions/update", {"name": c, "version": 1, "description": "x"})
        self.post("model-versions/set-tag", name=c, version="77", key="k", value="v")
        self.post("model-versions/set-tag", name=c, version="1", key="", value="v")
        self.post("model-versions/set-tag", name=c, version="1", key="k")
        self.call("DELETE", "model-versions/delete-tag", {"name": c, "version": "1", "key": "never"})
        self.call("DELETE", "model-versions/delete-tag", {"name": c, "version": "77", "key": "k"})
        for stage in ("staging", "PRODUCTION", "Archived", "none", "", "Deleted_Internal"):
            self.post("model-versions/transition-stage", name=c, version="1", stage=stage, archive_existing_versions=False)
        self.post("model-versions/transition-stage", name=c, version="1", stage="Staging", archive_existing_versions="maybe")
        self.post("model-versions/transition-stage", name=c, version="1", stage="Staging")
        self.post("model-versions/transition-stage", name=c, version="77", stage="Staging", archive_existing_versions=False)
        self.post("model-versions/transition-stage", name=c, version="1", stage="Archived", archive_existing_versions=True)
        for version in ("1", "2"):
            self.post("model-versions/transition-stage", name=c, version=version, stage="Staging", archive_existing_versions=True)
        self.get("registered-models/get", name=c)
        for stages in ([], ["Staging"], ["staging", "Production"], ["Nope"], ["None", "Archived"]):
            self.post("registered-models/get-latest-versions", name=c, stages=stages)
        self.call("GET", "registered-models/get-latest-versions", query={"name": c, "stages": ["Staging", "None"]})
        self.post("registered-models/get-latest-versions", name=f"{t}-missing")
        for alias in ("", "a" * 256, "ok-1_x", "LATEST", "v1x", "V7", "7"):
            self.post("registered-models/alias", name=c, alias=alias, version="1")
        self.post("registered-models/alias", name=c, alias="b", version="1")
        self.post("registered-models/alias", name=c, alias="B", version="2")
        self.post("registered-models/alias", name=f"{t}-missing", alias="b", version="1")
        self.post("registered-models/alias", name=c, alias="b", version="x")
        self.get("registered-models/alias", name=c, alias="B")
        self.get("registered-models/alias", name=c, alias="latest")
        self.get("registered-models/alias", name=f"{t}-missing", alias="b")
        self.call("DELETE", "registered-models/alias", {"name": c, "alias": "never"})
        self.call("DELETE", "registered-models/alias", {"name": f"{t}-missing", "alias": "b"})
        self.get("model-versions/get", name=c, version="1")
        self.get("registered-models/get", name=c)
        for f in (f"name = '{c}'", f"name LIKE '{t}-%' AND run_id = '{self.r1}'", f"name = '{c}' AND version_number = 1",
                  f"name = '{c}' AND version_number > 1", f"name = '{c}' AND version_number = 'x'", f"name = '{c}' AND tags.n = '1'",
                  f"name = '{c}' AND tags.n LIKE '_'", f"name = '{c}' AND tags.n != '1'", f"name = '{c}' AND source_path = 'x'",
                  f"run_id IN ('{self.r1}')", f"run_id IN ('{self.r1}', 'x')", "run_id IN ()", "run_id LIKE 'x'", f"name ILIKE '{c.upper()}'",
                  f"name != '{c}' AND name LIKE '{t}-%'", "name = 'a' OR name = 'b'", "name", f"tags.`n` = '1' AND name = '{c}'",
                  "name IN ('a')", "current_stage = 'Staging'", "model_id = 'x'", f"name='{c}'"):
            self.get("model-versions/search", filter=f, max_results=20)
        for order in (["version_number DESC"], ["name ASC", "version_number ASC"], ["last_updated_timestamp ASC", "version_number"],
                      ["creation_timestamp DESC", "version_number"], ["nope"], ["version_number UP"], ["tags.n"]):
            self.call("GET", "model-versions/search", query={"filter": f"name = '{c}'", "order_by": order, "max_results": 5})
        page = self.get("model-versions/search", filter=f"name LIKE '{t}-%'", max_results=2, order_by="version_number ASC")
        self.get("model-versions/search", filter=f"name LIKE '{t}-%'", max_results=2, order_by="version_number ASC",
                 page_token=page.get("next_page_token", ""))
        self.get("model-versions/search", filter=f"name = '{c}'", max_results=2, page_token="junk")
        for f in (f"name = '{c}'", f"name != '{c}' AND name LIKE '{t}-%'", f"tags.k = '2' AND name LIKE '{t}-%'", "tag.k = '2'",
                  f"name ILIKE '%{t.upper()}-EDGES'", "name = unquoted", "name = 'a' OR name = 'b'", "tags.k > '1'", "name IN ('a')",
                  f"name LIKE '{t}-%' AND tags.`k` LIKE '2%'", "name", f"tags.k IS NULL AND name = '{c}'"):
            self.get("registered-models/search", filter=f, max_results=20)
        for order in (["name"], ["last_updated_timestamp DESC", "name"], ["timestamp ASC", "name ASC"], ["creation_timestamp", "name"],
                      ["name SIDEWAYS"], ["version"]):
            self.call("GET", "registered-models/search", query={"filter": f"name = '{c}'", "order_by": order, "max_results": 5})
        page = self.get("registered-models/search", filter=f"name LIKE '{t}-%'", max_results=1, order_by="name ASC")
        self.get("registered-models/search", filter=f"name LIKE '{t}-%'", max_results=1, order_by="name ASC",
                 page_token=page.get("next_page_token", ""))
        self.get("registered-models/search", filter=f"name = '{c}'", page_token="junk")
        self.call("DELETE", "model-versions/delete", {"name": c, "version": "77"})
        self.call("DELETE", "model-versions/delete", {"name": c, "version": "x"})
        self.call("DELETE", "model-versions/delete", {"name": c, "version": "2"})
        self.call("DELETE", "model-versions/delete", {"name": c, "version": "2"})
        self.get("registered-models/alias", name=c, alias="B")
        self.get("model-versions/get-download-uri", name=c, version="2")
        self.post("registered-models/rename", name=c, new_name=f"{c}-2")
        self.get("registered-models/get", name=f"{c}-2")
        self.get("registered-models/get", name=c)
        self.get("model-versions/search", filter=f"name = '{c}-2'", max_results=5)
        self.get("registered-models/alias", name=f"{c}-2", alias="b")
        self.call("DELETE", "registered-models/delete", {"name": f"{c}-2"})
        self.get("model-versions/get", name=f"{c}-2", version="1")

    def artifact_edges(self):
        files = "/api/2.0/mlflow-artifacts/artifacts"
        root = f"{self.e1}/{self.r1}/artifacts"
        for name in ("sub/y%20z.txt", "sub/pct%2541.txt", "%C3%BC.json", "plus+and&.bin", "deep/a/b/c/d.txt"):
            self.call("PUT", f"{files}/{root}/{name}", raw=b"0123456789" + name.encode())
            self.call("GET", f"{files}/{root}/{name}")
        for name in ("../x", "%2e%2e/x", "%252e%252e/x", "a%00b", "%2fetc/passwd", "C:%5Cx", "a%23b"):
            self.call("GET", f"{files}/{root}/{name}", label=f"GET bad path {name}")
            self.get("artifacts/list", run_id=self.r1, path=name)
        for spec in ("bytes=0-3", "bytes=4-", "bytes=-2", "bytes=0-999", "bytes=99-", "bytes=5-2", "items=1-2"):
            self.call("GET", f"{files}/{root}/sub/y%20z.txt", headers={"Range": spec}, label=f"GET range {spec}")
        self.call("GET", files, query={"path": root})
        self.call("GET", files, query={"path": "../x"})
        self.call("GET", files, query={"path": "/etc"})
        self.get("artifacts/list", run_id=self.r1)
        self.get("artifacts/list", run_id=self.r1, path="deep")
        self.get("artifacts/list", run_id=self.r1, path="deep/a/")
        self.get("artifacts/list", run_id=self.r1, path="none")
        self.get("artifacts/list", run_id=self.r1, path="/etc")
        self.get("artifacts/list", run_id=NO_RUN)
        self.get("artifacts/list")
        self.call("GET", "/get-artifact", query={"run_uuid": self.r1, "path": "deep/a/b/c/d.txt"})
        self.call("GET", "/get-artifact", query={"run_id": self.r1, "path": "none"})
        self.call("GET", "/get-artifact", query={"run_id": self.r1, "path": "../x"})
        self.call("GET", "/get-artifact", query={"run_id": NO_RUN, "path": "x"})
        self.call("GET", "/model-versions/get-artifact", query={"name": f"{self.tag}-model", "version": "99", "path": "x"})
        directories = f"logged-models/{self.m1}/artifacts/directories"
        self.get(directories, artifact_directory_path="none")
        self.get(directories, artifact_directory_path="../x")
        self.get("logged-models/m-none/artifacts/directories")
        ajax = f"/ajax-api/2.0/mlflow/logged-models/{self.m1}/artifacts/files"
        self.call("GET", ajax, query={"artifact_file_path": "MLmodel"})
        self.call("GET", ajax, query={"artifact_file_path": "none"})
        self.call("GET", ajax, query={"artifact_file_path": "../x"})
        self.call("GET", ajax)
        upload = "/ajax-api/2.0/mlflow/upload-artifact"
        self.call("POST", upload, query={"run_uuid": self.r1, "path": "up/loaded.txt"}, raw=b"from the page")
        self.get("artifacts/list", run_id=self.r1, path="up")
        self.call("POST", upload, query={"path": "x"}, raw=b"x")
        self.call("POST", upload, query={"run_uuid": self.r1}, raw=b"x")
        self.call("POST", upload, query={"run_uuid": self.r1, "path": "x"}, raw=b"")
        self.call("POST", upload, query={"run_uuid": self.r1, "path": "../x"}, raw=b"x")
        self.call("POST", upload, query={"run_uuid": NO_RUN, "path": "x"}, raw=b"x")
        self.call("POST", upload, query={"run_uuid": self.r1, "path": "x"}, raw=b"x" * (10 * 1024 * 1024 + 1), label="POST upload too large")
        for route in ("artifacts/presigned-upload-url", "artifacts/presigned-download-url"):
            self.post(route, run_id=self.r1, path="x")
            self.post(route, run_id=NO_RUN, path="x")
            self.post(route, run_id=self.r1, path="../x")
            self.post(route, run_id=self.r1)
            self.post(route, path="x")
            self.post(route, run_id=self.r1, path="x", expiration=0)
            self.post(route, run_id=self.r1, path="x", expiration=604801)
            self.post(route, run_id=self.r1, path="x", expiration="soon")
        self.post("artifacts/presigned-upload-url", model_id=self.m1, path="x")
        self.post("artifacts/presigned-upload-url", model_id=self.m1, run_id=self.r1, path="x")
        self.post("artifacts/presigned-upload-url", model_id="m-none", path="x")
        self.call("GET", "/version")
        self.call("GET", "/health")
        self.call("GET", "/api/3.0/mlflow/server-info")
        self.call("GET", "/api/2.0/mlflow/no/such/route")
        self.call("POST", "/api/2.0/mlflow/runs/get", {"run_id": self.r1})

    def cloud(self):
        """What a real server has with a cloud's store only."""
        root = f"{self.e1}/{self.r1}/artifacts"
        self.call("GET", f"/api/2.0/mlflow-artifacts/presigned/{root}/sub/x.txt")
        made = self.call("POST", f"/api/2.0/mlflow-artifacts/mpu/create/{root}", {"path": "big.bin", "num_parts": 1})
        self.call("POST", f"/api/2.0/mlflow-artifacts/mpu/create/{root}", {"num_parts": 1})
        self.call("POST", f"/api/2.0/mlflow-artifacts/mpu/abort/{root}", {"path": "big.bin", "upload_id": made.get("upload_id", "x")})
