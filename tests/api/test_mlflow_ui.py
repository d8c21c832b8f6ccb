"""The registry's pages over HTTP: MLflow's files, the way to ours, and GraphQL, whose answers are those of MLflow's own code on the same database."""
import http.client
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import time

import pytest
from sibyl import PYTHON, Sibyl, request, wait_for

RUN_FIELDS = """run { info { runId runUuid runName status experimentId userId startTime endTime artifactUri lifecycleStage __typename }
  experiment { experimentId name artifactLocation lifecycleStage lastUpdateTime creationTime workspace effectiveTraceArchivalRetention tags { key value } }
  modelVersions { name version status source description aliases modelId runId currentStage statusMessage runLink userId creationTimestamp tags { key value } modelParams { name } modelMetrics { key } }
  data { metrics { key value step timestamp datasetName modelId runId } params { key value } tags { key value } }
  inputs { datasetInputs { tags { key value } dataset { name digest sourceType source schema profile } } modelInputs { modelId } }
  outputs { modelOutputs { modelId step } } }"""
GET_RUN = "query GetRun($data: MlflowGetRunInput!) @component(name: \"x\") { mlflowGetRun(input: $data) { apiError { helpUrl code message } %s } }" % RUN_FIELDS
SEARCH = "query SearchRuns($data: MlflowSearchRunsInput!) { mlflowSearchRuns(input: $data) { %s nextPageToken } }" % RUN_FIELDS.replace("run {", "runs {", 1)
HISTORY = "query H($data: MlflowGetMetricHistoryBulkIntervalInput!) { mlflowGetMetricHistoryBulkInterval(input: $data) { __typename metrics { timestamp step runId key value } apiError { code } } }"


def seed(s):
    """An experiment with two runs that have one of everything a run can have; (experiment, [run, run])."""
    experiment = s.mlflow("POST", "experiments/create", {"name": "graph", "tags": [{"key": "k", "value": "v"}]})["experiment_id"]
    runs = []
    for i in range(2):
        run = s.mlflow("POST", "runs/create", {"experiment_id": experiment, "run_name": f"r{i}", "start_time": 1000 + i, "user_id": "u", "tags": [{"key": "t", "value": "\U0001f600\"<"}]})["run"]["info"]["run_id"]
        s.mlflow("POST", "runs/log-batch", {"run_id": run, "params": [{"key": "p", "value": "1"}], "metrics": [
            *({"key": "loss", "value": 1 / (k + 1), "timestamp": 10 + k, "step": k} for k in range(20)),
            {"key": "nan", "value": "NaN", "timestamp": 1, "step": 0}, {"key": "inf", "value": "Infinity", "timestamp": 1, "step": 0}]})
        runs.append(run)
    s.mlflow("POST", "runs/log-inputs", {"run_id": runs[0], "datasets": [{"dataset": {"name": "d", "digest": "1", "source_type": "local", "source": "{}", "schema": "{}"}, "tags": [{"key": "mlflow.data.context", "value": "train"}]}]})
    s.mlflow("POST", "runs/update", {"run_id": runs[0], "status": "FINISHED", "end_time": 5000})
    model = s.mlflow("POST", "logged-models", {"experiment_id": experiment, "name": "lm", "source_run_id": runs[0]})["model"]["info"]["model_id"]
    s.mlflow("POST", "runs/outputs", {"run_id": runs[0], "models": [{"model_id": model, "step": 3}]})
    s.mlflow("POST", "registered-models/create", {"name": "m"})
    s.mlflow("POST", "model-versions/create", {"name": "m", "source": f"mlflow-artifacts:/{experiment}/{runs[0]}/artifacts/model", "run_id": runs[0], "tags": [{"key": "a", "value": "b"}]})
    s.mlflow("POST", "registered-models/alias", {"name": "m", "alias": "champion", "version": "1"})
    request(s.registry, "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{runs[0]}/artifacts/model/a.txt", b"hello")
    return experiment, runs


@pytest.fixture(scope="module")
def seeded():
    with Sibyl() as s:
        s.experiment, s.runs = seed(s)
        yield s


def graphql(s, query, variables=None, **more):
    return request(s.registry, "POST", "/graphql", {"query": query, "variables": variables, **more})


def raw(port, target):
    """The answer to a request line as it is."""
    with socket.create_connection(("127.0.0.1", port), 10) as c:
        c.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = b"".join(iter(lambda: c.recv(65536), b""))
    return int(answer.split()[1]), answer


# ---- GraphQL ----

def requests_of(s):
    """Right and wrong ones."""
    e, r = s.experiment, s.runs[0]
    return [
        {"query": GET_RUN, "variables": {"data": {"runId": r}}, "operationName": "GetRun"},
        {"query": GET_RUN, "variables": {"data": {"runUuid": s.runs[1]}}},
        {"query": SEARCH, "variables": {"data": {"experimentIds": [e], "orderBy": ["attributes.start_time ASC"]}}},
        {"query": SEARCH, "variables": {"data": {"experimentIds": [e], "filter": "metrics.loss < 0.01"}}},
        {"query": SEARCH, "variables": {"data": {"experimentIds": [e], "maxResults": 1, "orderBy": ["attributes.start_time ASC"]}}},
        {"query": HISTORY, "variables": {"data": {"runIds": s.runs, "metricKey": "loss"}}},
        {"query": HISTORY, "variables": {"data": {"runIds": [r], "metricKey": "none"}}},
        {"query": "query($input: MlflowGetExperimentInput!) { mlflowGetExperiment(input: $input) { apiError { code } experiment { artifactLocation creationTime experimentId lastUpdateTime lifecycleStage name tags { key value } } } }", "variables": {"input": {"experimentId": e}}},
        {"query": '{ mlflowListArtifacts(input: {runId: "%s"}) { rootUri files { path isDir fileSize } nextPageToken } }' % s.runs[1]},
        {"query": "{ mlflowSearchModelVersions(input: {filter: \"name='m'\", maxResults: 5}) { modelVersions { name version tags { key value } aliases } nextPageToken } }"},
        {"query": 'mutation { mlflowSearchDatasets(input: {experimentIds: ["%s"]}) { datasetSummaries { experimentId name digest context } } }' % e},
        {"query": 'mutation { mlflowSearchRuns(input: {experimentIds: "%s"}) { runs { info { runId } } } }' % e},
        {"query": '{ a: test(inputString: "x") { output o: output } ...Q } fragment Q on Query { __typename b: test(inputString: "y") { ...T } } fragment T on Test { output }'},
        {"query": 'query A { test(inputString: "1") { output } } query B { test(inputString: "2") { output } }', "operationName": "B"},
        # failures of one field leave the others
        {"query": '{ mlflowGetExperiment(input: {experimentId: "99"}) { experiment { name } } test(inputString: "x") { output } }'},
        {"query": '{ mlflowGetRun(input: {runId: "nope"}) { run { info { runId } } } }'},
        # wrong ones: nothing is done, the reason is told
        {"query": "{ nope }"}, {"query": '{ mlflowGetRun(input: {runId: "r"}) { run { info { nope } } } }'},
        {"query": '{ mlflowGetRun(input: {runId: "r"}) { run { info } } }'}, {"query": '{ mlflowGetRun(input: {runId: "r"}) { run { info { runId { x } } } } }'},
        {"query": "{ mlflowGetRun(input: {bad: 1}) { run { info { runId } } } }"}, {"query": "{ mlflowGetRun(input: {runId: 5}) { run { info { runId } } } }"},
        {"query": "{ mlflowGetRun(input: $x) { run { info { runId } } } }"}, {"query": GET_RUN, "variables": {}}, {"query": GET_RUN, "variables": {"data": None}},
        {"query": GET_RUN, "variables": {"data": {"runId": 5}}}, {"query": 'query($x: String) { test(inputString: "q") { output } }'},
        {"query": '{ test(inputString: "q") { output @skip(if: true) } }'}, {"query": '{ test(inputString: "a", inputString: "b") { output } }'},
        {"query": '{ a: test(inputString: "a") { output } a: test(inputString: "b") { output } }'}, {"query": "{ ...G }"},
        {"query": '{ test(inputString: "q") { ...F } } fragment F on Query { __typename }'}, {"query": "subscription { x }"},
        {"query": 'query A { test(inputString: "1") { output } } query A { test(inputString: "2") { output } }'},
        {"query": 'query A { test(inputString: "1") { output } } query B { test(inputString: "2") { output } }'},
        {"query": 'query A { test(inputString: "1") { output } }', "operationName": "C"},
        {"query": '{ test(inputString: "1") { ' + "output " * 1100 + "} }"},
    ]


def in_order(v):
    """Metrics, parameters and tags of a run have no order; MLflow gives the metrics that of their rows."""
    if isinstance(v, dict):
        return {k: in_order(x) for k, x in v.items()}
    if isinstance(v, list):
        v = [in_order(x) for x in v]
        return sorted(v, key=lambda x: x["key"]) if all(isinstance(x, dict) and "key" in x and not x.get("runId") for x in v) else v
    return v


def test_graphql_answers_as_mlflow_does_on_the_same_database(seeded, tmp_path):
    requests = requests_of(seeded)
    with sqlite3.connect(f"file:{seeded.data}/registry/mlflow.db?mode=ro", uri=True) as live, sqlite3.connect(tmp_path / "mlflow.db") as copy:
        live.backup(copy)
    shutil.copytree(seeded.data / "artifacts", tmp_path / "artifacts")
    oracle = subprocess.run([PYTHON, pathlib.Path(__file__).with_name("graphql_oracle.py"), tmp_path], input=json.dumps(requests), capture_output=True, text=True, timeout=120,
                            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"})
    assert oracle.returncode == 0, oracle.stderr[-2000:]
    ours = [request(seeded.registry, "POST", "/graphql", r).json() for r in requests]
    theirs = json.loads(oracle.stdout.splitlines()[-1])
    assert len(theirs) == len(ours) and [x for x in zip(requests, ours, theirs) if in_order(x[1]) != in_order(x[2])] == []


def test_a_history_has_no_more_points_than_asked_for(seeded):
    """MLflow's GraphQL ignores the number, though its pages send it; its REST API does not."""
    answer = graphql(seeded, HISTORY, {"data": {"runIds": seeded.runs, "metricKey": "loss", "maxResults": 5}}).json()
    assert [m["step"] for m in answer["data"]["mlflowGetMetricHistoryBulkInterval"]["metrics"]] == ["0", "4", "8", "12", "19"] * 2


@pytest.mark.san
def test_graphql_shows_what_json_cannot_hold_as_null(seeded):
    metrics = graphql(seeded, HISTORY, {"data": {"runIds": seeded.runs[:1], "metricKey": "nan"}}).json()
    assert metrics["errors"] is None and [m["value"] for m in metrics["data"]["mlflowGetMetricHistoryBulkInterval"]["metrics"]] == [None]
    run = graphql(seeded, GET_RUN, {"data": {"runId": seeded.runs[0]}}).json()["data"]["mlflowGetRun"]["run"]
    assert {m["key"]: m["value"] for m in run["data"]["metrics"]}["nan"] is None


@pytest.mark.san
@pytest.mark.parametrize("body, type, status, word", [
    (b"", "application/json", 400, "object"), (b"[]", "application/json", 400, "object"), (b"{", "application/json", 400, "object"), (b'{"query": 5}', "application/json", 400, "query"),
    (b"{}", "application/json", 400, "query"), (b'{"query": "{__typename}", "variables": 1}', "application/json", 400, "variables"),
    (b'{"query": "{__typename}", "operationName": 1}', "application/json", 400, "operationName"), (b'{"query": "{__typename}"}', "text/plain", 400, "Content-Type"),
    (b'{"query": "{__typename}"}', "application/json; charset=utf-8", 200, "Query"), (b'{"query": "{ a"}', "application/json", 200, "Syntax Error"),
    (b'{"query": "' + b"{a" * 30 + b'"}', "application/json", 200, "too large"), (b'{"query": "' + b" " * 70000 + b'"}', "application/json", 200, "too large"),
    (b'{"query": "{mlflowGetRun{run{info{runId}}}}"}', "application/json", 200, "argument is missing")])
def test_wrong_graphql_requests_are_refused_with_the_reason(seeded, body, type, status, word):
    answer = request(seeded.registry, "POST", "/graphql", body, headers={"Content-Type": type})
    assert answer.status == status and word in answer.body.decode()


def test_graphql_is_for_this_server_s_own_pages(seeded):
    body = {"query": "{__typename}"}
    assert request(seeded.registry, "POST", "/graphql", body, headers={"Origin": "http://evil.example"}).status == 403
    assert request(seeded.registry, "POST", "/graphql", body, headers={"Host": "evil.example"}).status == 403
    assert request(seeded.registry, "GET", "/graphql").status == 405


@pytest.mark.san
def test_one_request_cannot_ask_for_everything(seeded):
    """Aliases make one run cost ten searches; the calls of one request have an end, and the server goes on."""
    s = seeded
    many = s.mlflow("POST", "experiments/create", {"name": "many"})["experiment_id"]
    for _ in range(370):
        s.mlflow("POST", "runs/create", {"experiment_id": many})
    aliases = " ".join(f"a{i}: modelVersions {{ name }}" for i in range(10))
    query = "query($d: MlflowSearchRunsInput!) { mlflowSearchRuns(input: $d) { runs { modelVersions { name } %s } } }" % aliases
    few = graphql(s, query, {"d": {"experimentIds": [many], "maxResults": 300}}).json()
    assert few["errors"] is None and len(few["data"]["mlflowSearchRuns"]["runs"]) == 300
    all_of_them = graphql(s, query, {"d": {"experimentIds": [many]}}).json()
    assert len(all_of_them["errors"]) == 1 and "asks for too much" in all_of_them["errors"][0]
    assert all_of_them["data"]["mlflowSearchRuns"]["runs"][-1]["a9"] is None
    assert graphql(s, "{__typename}").json() == {"data": {"__typename": "Query"}, "errors": None}


# ---- MLflow's files ----

def build_folder():
    return pathlib.Path(subprocess.run([PYTHON, "-c", "import importlib.util as u; print(u.find_spec('mlflow').submodule_search_locations[0])"], capture_output=True, text=True, check=True).stdout.strip()) / "server/js/build"


def test_every_file_of_mlflow_s_pages_is_served_as_it_is(seeded):
    build, s = build_folder(), seeded
    assert "MLflow's pages are shown" in s.log() and str(build) in s.log()
    index = request(s.registry, "GET", "/")
    assert index.body == (build / "index.html").read_bytes() and index.headers["Content-Type"] == "text/html; charset=utf-8" and index.headers["Cache-Control"] == "no-cache"
    types = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".ico": "image/vnd.microsoft.icon", ".woff2": "font/woff2", ".json": "application/json", ".mjs": "text/javascript; charset=utf-8"}
    connection = http.client.HTTPConnection("127.0.0.1", s.registry, timeout=30)
    for f in sorted(p for p in build.rglob("*") if p.is_file()):
        connection.request("GET", f"/static-files/{f.relative_to(build)}")
        r = connection.getresponse()
        assert r.status == 200 and r.read() == f.read_bytes(), f
        assert r.headers["Content-Type"] == types.get(f.suffix, r.headers["Content-Type"]), f
        assert r.headers["Cache-Control"] == "public, max-age=2419200" and r.headers["X-Content-Type-Options"] == "nosniff" and r.headers["X-Frame-Options"] == "SAMEORIGIN"
    connection.close()


def test_a_file_that_a_browser_has_is_not_sent_again(seeded):
    first = request(seeded.registry, "GET", "/static-files/favicon.ico")
    tag = first.headers["ETag"]
    for value in [tag, f'"x", W/{tag}', "*"]:
        again = request(seeded.registry, "GET", "/static-files/favicon.ico", headers={"If-None-Match": value})
        assert again.status == 304 and again.body == b"" and again.headers["ETag"] == tag
    assert request(seeded.registry, "GET", "/static-files/favicon.ico", headers={"If-None-Match": '"x"'}).body == first.body
    head = request(seeded.registry, "HEAD", "/static-files/favicon.ico")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) == len(first.body)


def test_pages_are_not_for_other_sites(seeded):
    assert request(seeded.registry, "GET", "/", headers={"Host": "evil.example"}).status == 403
    headers = request(seeded.registry, "GET", "/").headers
    assert "connect-src 'self'" in headers["Content-Security-Policy"] and "frame-ancestors 'self'" in headers["Content-Security-Policy"]


def test_parts_of_mlflow_that_are_not_here_are_empty_for_its_pages_only(seeded):
    for method, path, body in [("GET", "2.0/mlflow/traces?experiment_ids=0", {}), ("POST", "3.0/mlflow/traces/search", {}), ("POST", "3.0/mlflow/traces/metrics", {}), ("POST", "3.0/mlflow/datasets/search", {}),
                               ("GET", "3.0/mlflow/scorers/list?experiment_id=0", {}), ("GET", "2.0/mlflow/gateway-proxy?gateway_path=x", {"endpoints": []}), ("GET", "3.0/mlflow/ui-telemetry", {"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0})]:
        answer = request(seeded.registry, method, "/ajax-api/" + path, {} if method == "POST" else None)
        assert (answer.status, answer.json()) == (200, body), path
        assert request(seeded.registry, method, "/api/" + path, {} if method == "POST" else None).status == 404


# ---- which pages ----

def interpreter(folder, script):
    """A stand-in for python that prints what it is told."""
    path = folder / "python"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return str(path)


@pytest.mark.san
def test_no_path_leads_out_of_the_folder(tmp_path):
    build = tmp_path / "build"
    (build / "in").mkdir(parents=True)
    (build / "index.html").write_text("<p>here")
    (build / "in/a b.txt").write_text("inside")
    (build / "in/\u00e9.txt").write_text("accent")
    (tmp_path / "secret.txt").write_text("SECRET")
    (build / "link.txt").symlink_to(tmp_path / "secret.txt")
    (build / "up").symlink_to("..")
    with Sibyl("--python", interpreter(tmp_path, f"""echo '{json.dumps({"build": str(build), "version": "9"})}'""")) as s:
        assert request(s.registry, "GET", "/").body == b"<p>here"
        assert request(s.registry, "GET", "/static-files/in/a%20b.txt").body == b"inside"
        assert request(s.registry, "GET", "/static-files/in/%C3%A9.txt").body == b"accent"
        for path in ["../secret.txt", "%2e%2e/secret.txt", "%2E%2E%2Fsecret.txt", "in/../../secret.txt", "in/%2e%2e/%2e%2e/secret.txt", "..%2fsecret.txt", "%252e%252e/secret.txt", "..%5csecret.txt", "link.txt", "up/secret.txt",
                     f"{tmp_path}/secret.txt", f"/{tmp_path}/secret.txt", f"%2f{str(tmp_path)[1:]}/secret.txt", "in/a%20b.txt%00.js", "%00", "", ".", "in", "in/", "nope.js", "in/a%20b.txt/x", "a" * 300, "/".join(["d"] * 500)]:
            status, answer = raw(s.registry, "/static-files/" + path)
            assert status in (400, 404) and b"SECRET" not in answer, path
        assert raw(s.registry, "/index.html")[0] == 404


@pytest.mark.parametrize("python, why", [
    ("/no/such/python", "No such file"), ("""echo '{"build": null}'""", "mlflow is not installed there"), ("exit 3", "status 3"), ("echo nonsense", "python"), ("""echo '{"build": "/no/such/folder"}'""", "/no/such/folder"),
    ("yes", "over a limit")])
def test_without_mlflow_the_dashboard_s_pages_are_named_and_the_log_says_why(tmp_path, python, why):
    with Sibyl("--python", python if python.startswith("/") else interpreter(tmp_path, python)) as s:
        page = request(s.registry, "GET", "/")
        assert page.status == 302 and page.headers["Location"] == f"http://127.0.0.1:{s.dashboard}/models"
        assert request(s.registry, "GET", "/static-files/favicon.ico").status == 404
        line = wait_for("the log", 5, lambda: next((x for x in s.log().splitlines() if "the dashboard's are shown" in x), None))
        assert why in line and "--python" in line
        assert request(s.registry, "POST", "/graphql", {"query": "{__typename}"}).json()["data"] == {"__typename": "Query"}


def test_an_interpreter_that_hangs_delays_nothing_but_the_page(tmp_path):
    with Sibyl("--python", interpreter(tmp_path, "exec sleep 100")) as s:
        begin = time.monotonic()
        assert s.mlflow("GET", "experiments/get?experiment_id=0")["experiment"]["name"] == "Default"
        assert time.monotonic() - begin < 2
        assert request(s.registry, "GET", "/").status == 302
        assert "did not answer within 5 s" in s.log()
