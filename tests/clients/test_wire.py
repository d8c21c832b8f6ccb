"""Wire rules that no client exercises, and the push of changes."""
import threading
import time

import pytest

API = "/api/2.0/mlflow/"
JSON = {"Content-Type": "application/json"}


def post(registry, path, body):
    return registry.call("POST", API + path, body)


@pytest.mark.parametrize("method,path", [
    ("GET", "/"), ("GET", "/api/2.0/mlflow/"), ("POST", API + "traces"), ("GET", "/api/3.0/mlflow/traces/x"),
    ("POST", "/graphql"), ("GET", "/api/2.0/mlflow/webhooks"), ("POST", "/v1/traces"),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/other/x"), ("GET", "/api/2.0/mlflow-artifacts/none"),
])
def test_unknown_routes_are_404_in_json(registry, method, path):
    r = registry.call(method, path, {} if method == "POST" else None)
    assert r.status == 404 and r.json()["error_code"] == "ENDPOINT_NOT_FOUND"


def test_probes(registry):
    assert registry.call("GET", "/health").body == b"OK"
    assert registry.call("GET", "/version").body == b"3.17.2"
    info = registry.call("GET", "/api/3.0/mlflow/server-info").json()
    assert info["store_type"] == "SqlStore" and len(info) == 14
    assert info["multipart_uploads_enabled"] and info["multipart_downloads_enabled"]
    assert not info["artifacts_presigned_only"]  # small files need no further call
    for proxy in ({"X-Forwarded-For": "10.0.0.1"}, {"Via": "1.1 proxy"}, {"Connection": "close"}):
        info = registry.call("GET", "/api/3.0/mlflow/server-info", headers=proxy).json()
        assert not info["multipart_uploads_enabled"] and not info["multipart_downloads_enabled"], proxy


@pytest.mark.parametrize("name,raw,headers,status,code", [
    ("not JSON", b"{", JSON, 400, "BAD_REQUEST"),
    ("a list", b"[]", JSON, 400, "BAD_REQUEST"),
    ("a number", b"1", JSON, 400, "BAD_REQUEST"),
    ("a key twice", b'{"name": "a", "name": "b"}', JSON, 400, "BAD_REQUEST"),
    ("too deep", b'{"name": ' + b"[" * 100 + b"]" * 100 + b"}", JSON, 400, "BAD_REQUEST"),
    ("bad UTF-8", b'{"name": "\xff"}', JSON, 400, "BAD_REQUEST"),
    ("no content type", b'{"name": "x"}', {}, 400, "INVALID_PARAMETER_VALUE"),
    ("another content type", b'{"name": "x"}', {"Content-Type": "text/plain"}, 400, "INVALID_PARAMETER_VALUE"),
    ("no body", b"", JSON, 400, "INVALID_PARAMETER_VALUE"),
    ("null", b"null", JSON, 400, "INVALID_PARAMETER_VALUE"),
    ("null field", b'{"name": null}', JSON, 400, "INVALID_PARAMETER_VALUE"),
    ("number for text", b'{"name": 1}', JSON, 400, "INVALID_PARAMETER_VALUE"),
    ("text for objects", b'{"name": "x", "tags": "y"}', JSON, 400, "INVALID_PARAMETER_VALUE"),
    ("texts for objects", b'{"name": "x", "tags": ["y"]}', JSON, 400, "INVALID_PARAMETER_VALUE"),
    ("number in a tag", b'{"name": "x", "tags": [{"key": 1}]}', JSON, 400, "INVALID_PARAMETER_VALUE"),
    ("tag without key", b'{"name": "x", "tags": [{"value": "1"}]}', JSON, 400, "INVALID_PARAMETER_VALUE"),
])
def test_bad_bodies(registry, name, raw, headers, status, code):
    r = registry.call("POST", API + "experiments/create", raw=raw, headers=headers)
    assert (r.status, r.json()["error_code"]) == (status, code), r.body


def test_numbers_as_text_and_text_as_numbers(registry):
    e = post(registry, "experiments/create", {"name": "numbers"}).json()["experiment_id"]
    run = post(registry, "runs/create", {"experiment_id": e, "start_time": "17"}).json()["run"]["info"]
    assert run["start_time"] == 17
    for value in ("0.5", 0.25, "NaN", "-Infinity"):
        r = post(registry, "runs/log-metric", {"run_id": run["run_id"], "key": "m", "value": value,
                                               "timestamp": "5", "step": 1.0})
        assert r.json() == {}
    history = registry.call("GET", API + "metrics/get-history",
                            query={"run_id": run["run_id"], "metric_key": "m", "max_results": 10}).json()
    assert sorted(str(m["value"]) for m in history["metrics"]) == ["-1.7976931348623157e+308", "0.25", "0.5", "NaN"]
    for wrong in ({"timestamp": "x"}, {"timestamp": 1.5}, {"value": "x"}, {"step": 1 << 70}):
        body = {"run_id": run["run_id"], "key": "m", "value": 1, "timestamp": 1, **wrong}
        assert post(registry, "runs/log-metric", body).status == 400, wrong


def test_flags_in_a_query(registry):
    assert registry.call("GET", API + "logged-models/m-x", query={"allow_deleted": "True"}).status == 404
    r = registry.call("GET", API + "logged-models/m-x", query={"allow_deleted": "maybe"})
    assert r.status == 400 and "Invalid boolean value" in r.json()["message"]


def test_the_pages_prefix_answers_too(registry):
    r = registry.call("POST", "/ajax-api/2.0/mlflow/experiments/search", {"max_results": 1})
    assert len(r.json()["experiments"]) == 1
    assert registry.call("GET", "/ajax-api/2.0/mlflow-artifacts/artifacts").status == 200


def changes(registry, since, timeout_ms=5000):
    r = registry.call("GET", "/api/sibyl/1/changes", query={"since": since, "timeout_ms": timeout_ms})
    return r.json()["next"]


def test_changes_are_pushed_within_milliseconds(registry):
    from servers import Server
    other = Server.__new__(Server)
    other.port, other.connection = registry.port, None
    post(registry, "registered-models/create", {"name": "pushed"})
    e = post(registry, "experiments/create", {"name": "pushed"}).json()["experiment_id"]
    run = post(registry, "runs/create", {"experiment_id": e}).json()["run"]["info"]["run_id"]
    now = changes(registry, 0)
    assert changes(registry, now, 0) == now
    start = time.monotonic()
    assert changes(registry, now, 200) == now and 0.15 < time.monotonic() - start < 3

    def source(path):
        return {"name": "pushed", "source": f"mlflow-artifacts:/{e}/{run}/artifacts/{path}", "run_id": run}

    acts = [
        ("POST", "model-versions/create", source("m")),
        ("POST", "registered-models/alias", {"name": "pushed", "alias": "a", "version": "1"}),
        ("POST", "model-versions/transition-stage", {"name": "pushed", "version": "1", "stage": "Production",
                                                     "archive_existing_versions": False}),
        ("DELETE", "registered-models/alias", {"name": "pushed", "alias": "a"}),
        ("DELETE", "model-versions/delete", {"name": "pushed", "version": "1"}),
        ("POST", "registered-models/rename", {"name": "pushed", "new_name": "moved"}),
        ("DELETE", "registered-models/delete", {"name": "moved"}),
    ]
    for method, path, body in acts:
        now, told = changes(registry, 0), []
        t = threading.Thread(target=lambda: told.append((changes(other, now), time.monotonic())))
        t.start()
        time.sleep(0.1)
        r = registry.call(method, API + path, body)
        assert r.status == 200, r.body
        answered = time.monotonic()
        t.join(10)
        assert told and told[0][0] != now, path
        assert told[0][1] - answered < 0.2, path


def test_a_missed_change_answers_at_once(registry):
    now = changes(registry, 0)
    post(registry, "registered-models/create", {"name": "missed"})
    start = time.monotonic()
    assert changes(registry, now) > now
    assert time.monotonic() - start < 1


def test_many_waiters_and_a_client_that_leaves(registry):
    from servers import Server
    now, told = changes(registry, 0), []

    def wait():
        s = Server.__new__(Server)
        s.port, s.connection = registry.port, None
        told.append(changes(s, now))
        s.connection.close()

    threads = [threading.Thread(target=wait) for _ in range(20)]
    for t in threads:
        t.start()
    import socket
    gone = socket.create_connection(("127.0.0.1", registry.port))
    gone.sendall(f"GET /api/sibyl/1/changes?since={now} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    time.sleep(0.2)
    gone.close()
    post(registry, "registered-models/create", {"name": "waited"})
    for t in threads:
        t.join(10)
    assert len(told) == 20 and all(n != now for n in told)
