"""Experiments, runs, metrics, datasets and their searches, as clients call them."""
import json

from replay import Replay

NO_RUN = "no-such-run"


class Tracking(Replay):
    def tracking(self):
        self.experiments()
        self.runs()
        self.metrics()
        self.searches()
        self.experiment_edges()
        self.run_edges()
        self.metric_edges()
        self.search_edges()

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

    # -- edges: what is rare, wrong, or at a limit --

    def experiment_edges(self):
        t = self.tag
        for name in ("", "x" * 501, f"{t}/a b:c\u00fc"):
            self.post("experiments/create", name=name)
        for place in ("s3://bucket/x", "runs:/1/x", "s3://bucket/y?a=b#c"):
            self.post("experiments/create", name=f"{t}-at-{place}", artifact_location=place)
        self.post("experiments/create", name=f"{t}-tags", tags=[{"key": "a", "value": "1"}, {"key": "b"}])
        self.post("experiments/create", name=f"{t}-tags2", tags=[{"value": "1"}])
        self.post("experiments/set-experiment-tag", experiment_id=self.e1, key="", value="v")
        self.post("experiments/set-experiment-tag", experiment_id=self.e1, key="k" * 251, value="v")
        self.post("experiments/set-experiment-tag", experiment_id=self.e1, key="k", value="v" * 20001)
        self.post("experiments/set-experiment-tag", experiment_id=self.e1, key="k", value="")
        self.post("experiments/set-experiment-tag", experiment_id=self.e1, key="k", value="v")
        self.post("experiments/set-experiment-tag", experiment_id="777777", key="k", value="v")
        self.post("experiments/set-experiment-tag", experiment_id="abc", key="k", value="v")
        for wrong in ("", "abc", "-1", "1.5", "99999999999999999999"):
            self.get("experiments/get", experiment_id=wrong)
        self.get("experiments/get")
        self.get("experiments/get-by-name")
        self.post("experiments/update", experiment_id=self.e1, new_name="")
        self.post("experiments/update", experiment_id=self.e1, new_name=f"{t}-renamed")
        self.post("experiments/update", experiment_id="777777", new_name=f"{t}-zz")
        self.post("experiments/restore", experiment_id=self.e1)
        gone = self.post("experiments/create", name=f"{t}-gone")["experiment_id"]
        run = self.post("runs/create", experiment_id=gone, run_name="in", start_time=1)["run"]["info"]["run_id"]
        self.post("experiments/delete", experiment_id=gone)
        self.post("experiments/delete", experiment_id=gone)
        self.get("experiments/get", experiment_id=gone)
        self.get("experiments/get-by-name", experiment_name=f"{t}-gone")
        self.get("runs/get", run_id=run)
        self.post("runs/create", experiment_id=gone, run_name="late", start_time=1)
        self.post("experiments/create", name=f"{t}-gone")
        self.post("experiments/update", experiment_id=gone, new_name=f"{t}-gone2")
        self.post("experiments/set-experiment-tag", experiment_id=gone, key="k", value="v")
        self.post("logged-models", experiment_id=gone, name="late")
        self.post("experiments/restore", experiment_id=gone)
        self.get("runs/get", run_id=run)
        self.post("experiments/search", filter=f"name LIKE '{t}-%'", order_by=["name ASC"], max_results=50)
        page = self.post("experiments/search", filter=f"name LIKE '{t}-%'", order_by=["name ASC"], max_results=2)
        self.post("experiments/search", filter=f"name LIKE '{t}-%'", order_by=["name ASC"], max_results=2,
                  page_token=page.get("next_page_token", ""))
        self.call("GET", "experiments/search", query={"filter": f"name LIKE '{t}-%'", "order_by": ["name DESC"],
                                                      "max_results": 3, "view_type": "ACTIVE_ONLY"})
        for f in (f"name = '{t}-one'", f"attribute.name = '{t}-one'", f"name != '{t}-one' AND name LIKE '{t}-%'",
                  "tags.k = 'v' AND tags.nope = 'x'", "tags.k != 'v'", "tag.k LIKE 'v%'", "tags.k IS NULL",
                  "tags.nope IS NOT NULL", "creation_time > 0", "last_update_time <= 0", "creation_time > 'x'",
                  "experiment_id = '1'", "name IN ('a')", "name", "name = unquoted", "tags.`k` = \"v\"",
                  f"name ILIKE '%{t.upper()}-ON%'", "name LIKE 'a' AND", "params.x = '1'"):
            self.post("experiments/search", filter=f"{f} AND name LIKE '{t}-%'" if f.startswith(("tags.k I", "crea", "last"))
                      else f, max_results=9, order_by=["name ASC"])
        for order in (["experiment_id ASC"], ["creation_time DESC", "name"], ["nope"], ["name UP"], ["tags.k"]):
            self.post("experiments/search", filter=f"name = '{t}-one'", order_by=order, max_results=5)
        for view in (1, 9):
            self.post("experiments/search", filter=f"name = '{t}-one'", view_type=view, max_results=5)
        self.post("experiments/search", filter=f"name = '{t}-one'", max_results=-1)

    def run_edges(self):
        e = self.e1
        self.post("runs/create", experiment_id="888888", run_name="x", start_time=1)
        self.post("runs/create", experiment_id=e, run_name="a", start_time=1, tags=[{"key": "mlflow.runName", "value": "b"}])
        made = self.post("runs/create", experiment_id=e, start_time=5, user_id="bob",
                         tags=[{"key": "mlflow.runName", "value": "by-tag"}])
        run = made["run"]["info"]["run_id"]
        self.post("runs/create", experiment_id=e, start_time="7", run_name="text time", user_id="bob")
        self.post("runs/create", experiment_id=e, start_time="soon")
        self.get("runs/get", run_id=run)
        self.get("runs/get")
        self.get("runs/get", run_id="../x")
        for status in ("RUNNING", "SCHEDULED", "KILLED", 3, 99):
            self.post("runs/update", run_id=run, status=status)
        self.post("runs/update", run_id=run, run_name="renamed", end_time="12")
        self.post("runs/update", run_id=run)
        self.post("runs/update", run_id=NO_RUN, status="FINISHED")
        self.post("runs/set-tag", run_id=run, key="mlflow.runName", value="by tag again")
        self.get("runs/get", run_id=run)
        self.post("runs/set-tag", run_id=NO_RUN, key="k", value="v")
        self.post("runs/set-tag", run_id=run, key="", value="v")
        self.post("runs/set-tag", run_id=run, key="novalue")
        self.post("runs/log-parameter", run_id=NO_RUN, key="k", value="v")
        self.post("runs/log-parameter", run_id=run, key="", value="v")
        self.post("runs/log-parameter", run_id=run, key="a b/c.d-e_f", value="v")
        self.post("runs/log-parameter", run_id=run, key="bad,key", value="v")
        self.post("runs/log-parameter", run_id=run, key="p" * 250, value="v" * 6001)
        self.post("runs/log-batch", run_id=run)
        self.post("runs/log-batch", run_id=NO_RUN, params=[{"key": "a", "value": "1"}])
        self.post("runs/log-batch", run_id=run, params=[{"key": "twice", "value": "1"}, {"key": "twice", "value": "1"}])
        self.post("runs/log-batch", run_id=run, params=[{"key": "twice2", "value": "1"}, {"key": "twice2", "value": "2"}])
        self.post("runs/log-batch", run_id=run, tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}])
        self.post("runs/log-batch", run_id=run, tags=[{"key": f"t{i}", "value": "1"} for i in range(101)])
        self.post("runs/log-batch", run_id=run, metrics=[{"key": f"m{i}", "value": 1, "timestamp": 1} for i in range(1001)])
        self.post("runs/log-batch", run_id=run, metrics=[{"key": f"m{i}", "value": 1, "timestamp": 1} for i in range(950)],
                  params=[{"key": f"q{i}", "value": "1"} for i in range(60)])
        self.post("runs/log-batch", run_id=run, metrics=[{"key": "bad,key", "value": 1, "timestamp": 1}])
        self.post("runs/log-batch", run_id=run, tags=[{"key": "bad,key", "value": "1"}])
        data = {"name": "d", "digest": "1", "source_type": "local", "source": "s"}
        self.post("runs/log-inputs", run_id=run, datasets=[{"dataset": data}, {"dataset": data}])
        self.post("runs/log-inputs", run_id=run, datasets=[{"dataset": {**data, "digest": "x" * 37}}])
        self.post("runs/log-inputs", run_id=run, datasets=[{"dataset": {**data, "name": ""}}])
        self.post("runs/log-inputs", run_id=run, datasets=[{"dataset": data, "tags": [{"key": "k" * 256, "value": "1"}]}])
        self.post("runs/log-inputs", run_id=NO_RUN, datasets=[{"dataset": data}])
        self.post("runs/log-inputs", run_id=run, models=[{"model_id": "m-none"}])
        self.post("runs/outputs", run_id=run, models=[{"model_id": "m-none", "step": 1}])
        self.post("runs/outputs", run_id=run)
        self.post("runs/log-inputs", run_id=run)
        self.get("runs/get", run_id=run)
        self.call("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [e, "0"]})
        self.call("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [e] * 21})
        self.post("runs/log-model", run_id=run, model_json=json.dumps({"artifact_path": "m"}))
        self.post("runs/log-model", run_id=run)
        self.post("runs/delete", run_id=run)
        self.post("runs/delete", run_id=run)
        self.post("runs/delete", run_id=NO_RUN)
        for path, more in (("runs/update", {"status": "FINISHED"}), ("runs/set-tag", {"key": "a", "value": "b"}),
                           ("runs/log-metric", {"key": "a", "value": 1, "timestamp": 1}), ("runs/delete-tag", {"key": "t"}),
                           ("runs/log-batch", {"tags": [{"key": "a", "value": "b"}]}),
                           ("runs/outputs", {"models": [{"model_id": "m-x", "step": 0}]}),
                           ("runs/log-inputs", {"datasets": [{"dataset": data}]})):
            self.post(path, run_id=run, **more)
        self.post("runs/search", experiment_ids=[e], run_view_type="DELETED_ONLY", max_results=10)
        self.post("runs/restore", run_id=run)
        self.post("runs/restore", run_id=run)
        self.post("runs/restore", run_id=NO_RUN)
        self.post("runs/delete", run_id=run)

    def metric_edges(self):
        r = self.r1
        for value in ("-Infinity", "Infinity", "NaN", 1e308, 5e-324, 0.1 + 0.2, -0.0, 123456789012345678, None, "1.5"):
            self.post("runs/log-metric", run_id=r, key="values", value=value, timestamp=3, step=2)
        self.post("runs/log-metric", run_id=r, key="late", value=1, timestamp=5, step=9)
        self.post("runs/log-metric", run_id=r, key="late", value=2, timestamp=9, step=1)
        self.post("runs/log-metric", run_id=r, key="late", value=3, timestamp=5, step=9)
        self.post("runs/log-metric", run_id=r, key="neg", value=1, timestamp=5, step=-3)
        self.post("runs/log-metric", run_id=r, key="neg", value=1, timestamp=-5)
        self.post("runs/log-metric", run_id=r, key="big", value=1, timestamp=9223372036854775807, step=9223372036854775807)
        self.post("runs/log-metric", run_id=r, key="frac", value=1, timestamp=1.0, step=2.0)
        self.post("runs/log-metric", run_id=r, key="m" * 251, value=1, timestamp=1)
        self.post("runs/log-metric", run_id=r, key="a:b", value=1, timestamp=1)
        self.post("runs/log-metric", run_id=NO_RUN, key="a", value=1, timestamp=1)
        self.get("runs/get", run_id=r)
        for key in ("values", "late", "neg", "big"):
            self.get("metrics/get-history", run_id=r, metric_key=key, max_results=25000)
        page = self.get("metrics/get-history", run_id=self.r2, metric_key="acc", max_results=7)
        page = self.get("metrics/get-history", run_id=self.r2, metric_key="acc", max_results=7,
                        page_token=page.get("next_page_token", ""))
        self.get("metrics/get-history", run_id=self.r2, metric_key="acc", max_results=7,
                 page_token=page.get("next_page_token", ""))
        self.get("metrics/get-history", run_id=self.r2, metric_key="acc", max_results=7, page_token="junk")
        self.get("metrics/get-history", run_id=self.r2, metric_key="acc", max_results=-1)
        self.get("metrics/get-history", run_id=self.r2, max_results=5)
        self.get("metrics/get-history", metric_key="acc", max_results=5)
        self.get("metrics/get-history", run_id=NO_RUN, metric_key="acc", max_results=5)
        bulk = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
        self.call("GET", bulk, query={"metric_key": "loss"})
        self.call("GET", bulk, query={"run_id": [self.r1]})
        self.call("GET", bulk, query={"run_id": [self.r1] * 101, "metric_key": "loss"})
        self.call("GET", bulk, query={"run_id": [self.r2], "metric_key": "acc", "max_results": 3})
        self.call("GET", bulk, query={"run_id": [NO_RUN], "metric_key": "acc"})
        interval = "metrics/get-history-bulk-interval"
        for more in ({}, {"max_results": 0}, {"max_results": 2501}, {"max_results": 4}, {"max_results": 1},
                     {"start_step": 5, "end_step": 2}, {"start_step": 3, "end_step": 3}, {"end_step": 3},
                     {"start_step": 0, "end_step": 100, "max_results": 5}, {"start_step": 100, "end_step": 200}):
            self.get(interval, run_ids=[self.r2, self.r3], metric_key="acc", **more)
        self.get(interval, metric_key="acc")
        self.get(interval, run_ids=[self.r2])
        self.get(interval, run_ids=[self.r2] * 101, metric_key="acc")
        self.call("GET", "/ajax-api/2.0/mlflow/" + interval,
                  query={"run_ids": [self.r1], "metric_key": "loss", "max_results": 3})

    def search_edges(self):
        r1, r2 = self.r1, self.r2
        for f in ("metric.loss > 0.1", "metrics.loss != 0.2", "metrics.acc >= 0.69", "metrics.loss = 1e0", "metrics.nan > 0",
                  "metrics.none > 0", "metrics.`loss` < 1 and params.`lr` = '0.1'", "parameter.lr = '0.1'", "param.lr LIKE '0.%'",
                  "params.lr ILIKE '0.0_'", "params.lr IN ('0.1')", "tag.stage = 'dev'", "tags.stage != 'dev'",
                  "tags.nope = 'x'", "tags.stage IS NOT NULL", "tags.mlflow.user = 'ann'", "tags.`mlflow.user` = 'ann'",
                  "status != 'FINISHED'", "attribute.status ILIKE 'fin%'", "attr.run_name = 'third'", "run.status = 'FAILED'",
                  "user_id = 'ann'", "user_id IN ('ann')", "end_time > 0", "end_time = 1700000009000", "start_time >= 1700000001000",
                  "created > 1700000000000", "attributes.created < 1700000001500", "Created = 1700000000000",
                  "start_time = 'x'", "start_time > 1.5", f"run_id = '{r1}'", f"attributes.run_id IN ('{r1}','{r2}')",
                  f"run_id NOT IN ('{r1}', '{r2}')", "run_id IN ()", "run_id IN ('a'", f"run_id != '{r1}'",
                  "run_name ILIKE 'FIR%'", "`run name` = 'first'", "attributes.`Run name` = 'first'", "run_name NOT IN ('first')",
                  "dataset.digest = 'abc'", "datasets.name LIKE 'ir%'", "dataset.name IN ('iris', 'x')", "dataset.nope = 'x'",
                  "dataset.context ILIKE 'TRAIN%'", "dataset.name = iris", "artifact_uri ILIKE '%ARTIFACTS'", "",
                  " ", "params.lr='0.1'and metrics.loss<1", "params.lr = '0.1' and tags.stage = \"dev\"",
                  "params.\"lr\" = '0.1'", "params.'lr' = '0.1'", "params.lr = 'it''s'", "params.lr = '0.1' -- x",
                  "(params.lr = '0.1')", "NOT params.lr = '0.1'", "params.lr == '0.1'", "params.lr <> '0.1'",
                  "metrics.loss LIKE '1'", "metrics.loss IS NULL", "status IS NULL", "params. = '1'", ".lr = '1'",
                  "params.lr = '0.1' AND AND tags.stage = 'dev'", "tags.stage LIKE '%\\%%'", "lifecycle_stage = 'active'"):
            self.search(f)
        for order in (["params.lr"], ["tags.stage ASC", "run_name DESC"], ["metrics.nan ASC", "run_name"], ["end_time DESC", "run_name"],
                      ["status ASC", "run_name ASC"], ["user_id", "run_name"], ["metrics.`loss` DESC"],
                      ["Created DESC"], ["attributes.`Run name` ASC"], ["dataset.name"], [""], ["metrics.loss asc"],
                      ["metric.loss DESC", "metric.loss ASC"], ["metrics.none DESC", "start_time ASC"]):
            self.search(order_by=order)
        self.post("runs/search", experiment_ids=["999999"], max_results=5)
        self.post("runs/search", experiment_ids=["abc"], max_results=5)
        self.post("runs/search", experiment_ids=[self.e1], max_results=0)
        self.post("runs/search", experiment_ids=[self.e1], max_results=-1)
        self.post("runs/search", experiment_ids=[self.e1], max_results=3, run_view_type=9)
        self.post("runs/search", experiment_ids=[self.e1], max_results=3, page_token="zzz")
        self.post("runs/search", experiment_ids=[self.e1], max_results=2.5)
        self.post("runs/search", experiment_ids=[self.e1, self.e2], max_results=50, order_by=["run_name"])
        page = self.post("runs/search", experiment_ids=[self.e1], max_results=1, filter="params.lr LIKE '0%'",
                         order_by=["metrics.loss DESC"])
        for _ in range(3):
            page = self.post("runs/search", experiment_ids=[self.e1], max_results=1, filter="params.lr LIKE '0%'",
                             order_by=["metrics.loss DESC"], page_token=page.get("next_page_token", ""))

    def wrecks(self):
        """Malformed requests of which a real server makes something; nothing reads what they leave."""
        t = self.tag
        e = self.post("experiments/create", name=f"{t}-wrecks")["experiment_id"]
        run = self.post("runs/create", experiment_id=e, start_time=1, run_name="w")["run"]["info"]["run_id"]
        for status in ("NONSENSE", "finished"):
            self.post("runs/update", run_id=run, status=status)
        self.post("runs/log-metric", run_id=run, key="k", value=True, timestamp=3)
        self.post("runs/log-batch", run_id=run, metrics=[{"key": "no", "value": "abc", "timestamp": 1}])
        self.post("runs/log-inputs", run_id=run, datasets=[{"dataset": {"name": "only"}}])
        self.post("experiments/search", filter=f"name = '{t}-one'", view_type="NONSENSE", max_results=5)
        for timestamp in (9223372036854775808, 1.5):
            self.post("runs/log-metric", run_id=run, key="t", value=1, timestamp=timestamp)
        m = self.post("logged-models", experiment_id=e, name="w", tags=[{"key": "a/b", "value": "1"}])["model"]["info"]["model_id"]
        self.call("DELETE", f"logged-models/{m}/tags/a%2Fb")
        for status in ("NONSENSE", 9):
            self.call("PATCH", f"logged-models/{m}", {"model_id": m, "status": status})
        self.call("PATCH", f"logged-models/{m}/tags", {"tags": [{"key": "", "value": "d"}]})
        self.post("experiments/create", name=f"{t}-no-key", tags=[{"value": "1"}])
        self.post("registered-models/create", name=f"{t}-wrecks")
        self.post("registered-models/create", name=f"{t}-twice", tags=[{"key": "k", "value": "1"}, {"key": "k", "value": "2"}])
        # longer than the schema's columns, which SQLite does not enforce
        self.post("registered-models/create", name="x" * 257)
        self.post("registered-models/create", name=f"{t}-long", description="x" * 5001)
        for more in ({"description": "x" * 5001}, {"source": "s3://bucket/" + "m" * 600}):
            self.post("model-versions/create", **{"name": f"{t}-wrecks", "source": "s3://bucket/m", **more})
        self.post("runs/create", experiment_id=e, start_time=1, run_name="x", tags=[{"key": "a", "value": "v" * 8001}])
        # from here on one of the two makes objects, so that ids no longer count alike
        self.call("POST", "runs/create", {}, label="POST runs/create without fields")
        self.post("runs/create", experiment_id=e, start_time=1, tags=[{"key": "k" * 251, "value": "1"}])
        self.post("runs/create", experiment_id=e, start_time=1, tags="x")
        self.post("logged-models", experiment_id=e, name="a" * 501)
        for params in ([{"key": "k" * 251, "value": "1"}], [{"key": "a", "value": "v" * 6001}]):
            self.post("logged-models", experiment_id=e, name="p", params=params)
        self.post("logged-models", experiment_id=e, name="t", tags=[{"key": "a", "value": "1"}, {"key": "a", "value": "2"}])
        self.post("logged-models", experiment_id=e, name="t", tags=[{"key": "", "value": "1"}])
        for place in ("mlflow-artifacts:/a/../b", "x" * 300):
            self.post("experiments/create", name=f"{t}-at-{place[:9]}", artifact_location=place)
