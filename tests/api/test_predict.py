"""Predictions over HTTP: answers, headers, errors that name the field, and an event for each."""
import json
import re
import subprocess

import pytest
from sibyl import request, wait_for

pytestmark = pytest.mark.san
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def predict(s, body, path="/models/iris/predict", **headers):
    return s.post(path, body, headers=headers)


# ---- answers ----

def test_one_object_is_answered_with_its_probabilities_and_ids(served):
    a = predict(served, ROW, **{"X-Request-ID": "my-request-7"})
    assert a.status == 200, a
    body = a.json()
    assert body["prediction"] == {"species": "setosa"}
    assert set(body["probabilities"]) == {"setosa", "versicolor", "virginica"}
    assert sum(body["probabilities"].values()) == pytest.approx(1)
    assert (body["model"], body["model_version"]) == ("iris", "1")
    assert a.headers["X-Request-ID"] == "my-request-7"
    assert a.headers["X-Model-Version"] == "1"
    assert a.headers["X-Event-ID"] == body["event_id"] and UUID7.fullmatch(body["event_id"])


def test_a_list_is_answered_row_by_row_and_recorded_row_by_row(served):
    rows = [ROW, {**ROW, "petal_length": 6.0, "petal_width": 2.5}, ROW]
    a = predict(served, rows)
    assert a.status == 200, a
    answers = a.json()["predictions"]
    assert [p["prediction"]["species"] for p in answers] == ["setosa", "virginica", "setosa"]
    events = [served.event(p["event_id"]) for p in answers]
    assert [e["row"] for e in events] == [0, 1, 2]
    assert len({e["request_id"] for e in events}) == 1
    assert [e["input"]["petal_length"] for e in events] == [1.4, 6.0, 1.4]
    assert a.headers["X-Event-ID"] == answers[0]["event_id"]


def test_the_only_model_needs_no_name(served):
    assert predict(served, ROW, "/predict").json()["prediction"] == {"species": "setosa"}
    assert predict(served, {"dataframe_records": [ROW]}, "/invocations").json() == {"predictions": ["setosa"]}


def test_columns_may_come_in_any_order_and_others_are_ignored(served):
    row = dict(reversed(ROW.items())) | {"note": {"deep": [1, 2]}, "z": None}
    assert predict(served, row).json()["prediction"] == {"species": "setosa"}


def test_a_request_id_is_made_when_there_is_none_or_a_bad_one(served):
    for headers in [{}, {"X-Request-ID": "x" * 129}, {"X-Request-ID": "a b"}]:
        assert UUID7.fullmatch(predict(served, ROW, **headers).headers["X-Request-ID"])
    assert predict(served, ROW, **{"Ce-Id": "cloud-1"}).headers["X-Request-ID"] == "cloud-1"


# ---- events ----

def test_an_event_holds_all_that_was_asked_and_answered(served):
    body = '{"sepal_length": 5.10, "sepal_width": 35e-1, "petal_length": 1.4, "petal_width": 0.2}'
    a = predict(served, body, **{"X-Request-ID": "r-1", "X-User-Id": "ada", "X-Session-Id": "s-9", "X-Tag-Shop": "kiel ü".encode().decode("latin-1"),
                                 "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    shown = served.cli("events", "show", a.headers["X-Event-ID"]).stdout
    e = json.loads(shown)
    assert e["event_id"] == a.headers["X-Event-ID"] and e["request_id"] == "r-1" and e["row"] == 0
    assert (e["route"], e["role"], e["model"], e["model_version"], e["model_alias"]) == ("iris", "primary", "iris", "1", "production")
    assert re.fullmatch(r"[0-9a-f]{64}", e["artifact_sha256"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["@timestamp"])
    assert e["prediction"] == {"species": "setosa"} and e["class_probabilities_map"] == a.json()["probabilities"]
    assert e["status"] == "ok" and "error" not in e
    assert e["duration"] > 0 and e["latency"]["total_us"] >= e["latency"]["compute_us"] > 0
    assert (e["user"], e["session"], e["client"], e["principal"]) == ("ada", "s-9", "127.0.0.1", "anonymous")
    assert e["traceparent"].startswith("00-0af76519")
    assert list(e["tags"]) == ["Shop"] or list(e["tags"]) == ["shop"]
    # the request's own digits, not a double's
    flat = re.sub(r"\s", "", shown)
    assert '"sepal_length":5.10' in flat and '"sepal_width":35e-1' in flat


def test_refused_requests_are_events_too(served):
    a = predict(served, {**ROW, "petal_width": "wide"}, **{"X-Request-ID": "bad-1"})
    assert a.status == 400
    e = served.event(a.headers["X-Event-ID"])
    assert (e["status"], e["http_status"], e["request_id"]) == ("invalid", 400, "bad-1")
    assert "petal_width" in e["error"]
    a = predict(served, ROW, "/models/nobody/predict")
    assert a.status == 404
    e = served.event(a.headers["X-Event-ID"])
    assert (e["status"], e["route"]) == ("invalid", "nobody") and "model_version" not in e


def test_tail_shows_the_newest_events_and_follows(served):
    first = predict(served, ROW).headers["X-Event-ID"]
    lines = served.cli("events", "tail", "--json").stdout.splitlines()
    assert json.loads(lines[-1])["event_id"] == first
    from sibyl import SIBYL
    with subprocess.Popen([SIBYL, "events", "tail", "-f", "--json", "--data", served.data], stdout=subprocess.PIPE, text=True) as tail:
        try:
            for line in tail.stdout:
                if json.loads(line)["event_id"] == first:
                    break
            second = predict(served, ROW).headers["X-Event-ID"]
            assert json.loads(tail.stdout.readline())["event_id"] == second
        finally:
            tail.kill()


def test_show_says_what_to_do_about_a_wrong_id(served):
    r = served.cli("events", "show", "not-an-id", check=False)
    assert r.returncode != 0 and "not an event id" in r.stderr
    r = served.cli("events", "show", "00000000-0000-7000-8000-000000000000", check=False)
    assert r.returncode != 0 and "no event" in r.stderr


# ---- errors ----

@pytest.mark.parametrize("body, says", [
    ("", "JSON"), ("{", "JSON"), ("[]", "empty"), ("7", "object"), ('"x"', "object"), ("null", "object"), ("[1]", ""), ("{}", "sepal_length"),
    ('{"sepal_length": 1} trailing', ""), ('\ufeff{"sepal_length": 1}', ""), ('{"sepal_length": 01}', ""), ('{"sepal_length": NaN}', ""),
    ('{"sepal_length": 1e999}', "range"), ('{"sepal_length": "\\ud800"}', ""), ("[" * 100000, "object"), ('{"a":' * 5000, "deep"),
    ('{"sepal_length": ' + "1" * 400 + "}", "longer"),
])
def test_bodies_that_are_not_rows_are_refused(served, body, says):
    a = predict(served, body.encode("utf-8", "surrogatepass"))
    assert a.status == (413 if says in ("deep", "longer") else 400), a
    assert says.lower() in a.json()["error"]["message"].lower()


@pytest.mark.parametrize("change, field", [
    ({"petal_width": None}, None), ({"petal_width": "x"}, "petal_width"), ({"petal_width": [1]}, "petal_width"), ({"petal_width": {}}, "petal_width"),
])
def test_errors_name_the_field(served, change, field):
    a = predict(served, {**ROW, **change})
    if field is None:  # null is NaN for a double column, and this forest takes NaN or says so by name
        assert a.status == 200 or "petal_width" in a.json()["error"]["message"]
        return
    assert a.status == 400, a
    assert a.json()["error"]["field"] == field and a.json()["error"]["row"] == 0


def test_a_missing_field_is_named_with_its_row(served):
    a = predict(served, [ROW, {k: v for k, v in ROW.items() if k != "petal_width"}])
    assert a.status == 400 and "petal_width" in a.json()["error"]["message"]
    assert a.json()["error"]["row"] == 1


def test_values_that_sklearn_refuses_are_refused_by_name(served):
    a = predict(served, [ROW, {**ROW, "petal_length": 1e39}])
    assert a.status == 400, a
    assert "petal_length" in a.json()["error"]["message"]


def test_unknown_models_and_methods(served):
    assert predict(served, ROW, "/models/nobody/predict").status == 404
    assert served.get("/models/iris/predict").status == 405
    assert served.get("/nothing").status == 404


# ---- MLflow's scoring protocol ----

FORMS = {
    "split": {"dataframe_split": {"columns": list(ROW), "index": [0], "data": [list(ROW.values())]}},
    "records": {"dataframe_records": [ROW]},
    "instances of objects": {"instances": [ROW]},
    "inputs by column": {"inputs": {k: [v] for k, v in ROW.items()}},
    "with params and other keys": {"dataframe_records": [ROW], "params": {}, "id": 7},
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_invocations(served, form):
    a = predict(served, FORMS[form], "/models/iris/invocations")
    assert a.status == 200 and a.json() == {"predictions": ["setosa"]}, a


@pytest.mark.parametrize("body, code, says", [
    ([ROW], "BAD_REQUEST", "JSON"), ({}, "BAD_REQUEST", "exactly one"), ({"instances": [ROW], "inputs": [ROW]}, "BAD_REQUEST", "exactly one"),
    ({"dataframe_split": {"columns": ["a"], "data": [[1]], "x": 1}}, "BAD_REQUEST", "x"),
    ({"dataframe_split": {"columns": list(ROW), "data": [[1, 2]]}}, "BAD_REQUEST", "columns"),
    ({"dataframe_records": [{"sepal_length": 1}]}, "INVALID_PARAMETER_VALUE", "sepal_width"),
    ({"dataframe_records": [{**ROW, "sepal_width": "wide"}]}, "INVALID_PARAMETER_VALUE", "sepal_width"),
    ({"inputs": {**{k: [v] for k, v in ROW.items()}, "sepal_width": [1, 2]}}, None, "sepal_width"),
])
def test_errors_of_invocations(served, body, code, says):
    a = predict(served, body, "/models/iris/invocations")
    assert a.status == 400, a
    assert says in a.json()["message"]
    assert code is None or a.json()["error_code"] == code


# ---- what it says of itself ----

def test_health_says_which_policy_put_a_version_live(served):
    h = served.get("/health").json()
    live = h["models"][0]["live"]
    assert h["status"] == "healthy" and live["policy"] == "alias production" and live["backend"] == "native"
    assert "RandomForestClassifier" in live["why"]
    assert h["journal"]["durability"] == "fsync" and h["journal"]["writable"] is True
    assert h["registry"]["state"] == "connected"


def test_metrics_pass_promtool(served):
    predict(served, ROW)
    text = served.get("/metrics").body
    check = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert check.returncode == 0 and not check.stderr, check
    assert re.search(rb'^sibyl_predictions_total\{model="iris",version="1",role="primary",status="ok"\} [1-9]', text, re.M)
    assert re.search(rb'^sibyl_prediction_duration_seconds_bucket\{.*le="5e-5"\}', text, re.M)


def test_no_label_grows_with_what_clients_send(served):
    for i in range(20):
        predict(served, ROW, f"/models/guess-{i}/predict", **{"X-Request-ID": f"unique-{i}"})
    text = served.get("/metrics").body.decode()
    assert "guess-" not in text and "unique-" not in text


def test_openapi_has_the_models_features_and_an_example_that_works(served):
    api = served.get("/openapi.json").json()
    operation = api["paths"]["/models/iris/predict"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert set(content["schema"]["properties"]) == set(ROW) and content["schema"]["properties"]["petal_width"]["type"] == "number"
    assert predict(served, content["example"]).status == 200
    assert served.get("/docs").headers["Content-Type"].startswith("text/html")


def test_head_and_keep_alive(served):
    a = request(served.serving, "HEAD", "/health")
    assert a.status == 200 and a.body == b"" and int(a.headers["Content-Length"]) > 10


def test_the_dashboard_reaches_the_other_roles_at_its_own_origin(served):
    page = request(served.dashboard, "GET", "/")
    assert page.status == 200 and b"<title>sibyl" in page.body and "require-trusted-types-for 'script'" in page.headers["Content-Security-Policy"]
    for path in ["/events", "/static/main.js", "/static/chart.js", "/static/lib/dom.js"]:
        a = request(served.dashboard, "GET", path)
        assert a.status == 200 and request(served.dashboard, "GET", path, headers={"If-None-Match": a.headers["ETag"]}).status == 304
    assert request(served.dashboard, "GET", "/nowhere").status == 404 == request(served.dashboard, "GET", "/static/../ui.c").status
    a = request(served.dashboard, "POST", "/api/serving/models/iris/predict", ROW, headers={"X-User-Id": "ada"})
    assert a.status == 200 and a.json()["prediction"] == {"species": "setosa"} and "sandbox" in a.headers["Content-Security-Policy"]
    assert served.event(a.json()["event_id"])["user"] == "ada"
    a = request(served.dashboard, "GET", "/api/serving/models/nothing")
    assert a.status == 404 and a.json()["error"]
    assert request(served.dashboard, "GET", "/api/serving/health").json()["models"][0]["name"] == "iris"
    assert set(request(served.dashboard, "GET", "/api/links").json()) >= {"registry", "serving"}


def test_a_foreign_page_cannot_reach_them(served):
    for path in ["/api/serving/models/iris/predict", "/api/registry/api/2.0/mlflow/registered-models/create", "/api/search/predictions/_search"]:
        assert request(served.dashboard, "POST", path, ROW, headers={"Origin": "http://evil.example"}).status == 403
        assert request(served.dashboard, "POST", path, ROW, headers={"Host": "evil.example"}).status == 403


def test_the_registry_behind_the_dashboard(served):
    mlflow = "/api/registry/api/2.0/mlflow/"
    assert request(served.dashboard, "POST", mlflow + "registered-models/create", {"name": "behind"}).status == 200
    assert request(served.dashboard, "PATCH", mlflow + "registered-models/update", {"name": "behind", "description": "the page’s"}).json()["registered_model"]["description"] == "the page’s"
    assert request(served.dashboard, "GET", mlflow + "registered-models/get?name=behind").status == 200
    assert request(served.dashboard, "DELETE", mlflow + "registered-models/delete", {"name": "behind"}).status == 200
    assert request(served.dashboard, "GET", mlflow + "registered-models/get?name=behind").status == 404