"""`sibyl gc`: what was deleted goes for good, rows and files; nothing else does."""
import json
import threading
import time

import pytest

from sibyl import Sibyl, request

FILES = "/api/2.0/mlflow-artifacts/artifacts/"


@pytest.fixture(scope="module")
def platform():
    with Sibyl() as s:
        yield s
        assert s.stop() == 0, s.log()[-4000:]


def experiment(s, name):
    return s.mlflow("POST", "experiments/create", {"name": name})["experiment_id"]


def put(s, uri, name, body=b"x"):
    path = uri.removeprefix("mlflow-artifacts:/") + "/" + name
    assert request(s.registry, "PUT", FILES + path, body).status == 200
    return path


def run(s, e):
    """A run with a metric and a file: its id and the file's path."""
    info = s.mlflow("POST", "runs/create", {"experiment_id": e, "start_time": 1})["run"]["info"]
    s.mlflow("POST", "runs/log-metric", {"run_id": info["run_id"], "key": "m", "value": 1, "timestamp": 1})
    return info["run_id"], put(s, info["artifact_uri"], "d/file.txt")


def logged(s, e):
    info = s.mlflow("POST", "logged-models", {"experiment_id": e, "name": "m"})["model"]["info"]
    return info["model_id"], put(s, info["artifact_uri"], "MLmodel")


def gc(s, *args, check=True):
    r = s.cli("gc", "--json", *args, check=check)
    return [json.loads(line) for line in r.stdout.splitlines()]


def outcomes(lines):
    return sorted((x["kind"], x["outcome"]) for x in lines)


def there(s, path):
    return request(s.registry, "GET", FILES + path).status == 200


def status(s, path):
    return request(s.registry, "GET", "/api/2.0/mlflow/" + path).status


@pytest.mark.san
def test_the_deleted_goes_while_the_platform_runs(platform):
    s = platform
    e = experiment(s, "live")
    (a, file_a), (b, file_b), (keep, file_keep) = run(s, e), run(s, e), run(s, e)
    m, file_m = logged(s, e)
    for r in (a, b):
        s.mlflow("POST", "runs/delete", {"run_id": r})
    s.mlflow("DELETE", f"logged-models/{m}")
    would = gc(s, "--dry-run")
    assert outcomes(would) == [("logged_model", "would be removed"), ("run", "would be removed"), ("run", "would be removed")]
    assert there(s, file_a) and status(s, f"runs/get?run_id={a}") == 200
    assert gc(s, "--older-than", "1h") == []
    assert outcomes(gc(s, "--run-ids", a)) == [("run", "removed")]
    assert not there(s, file_a) and status(s, f"runs/get?run_id={a}") == 404 and there(s, file_b)
    assert outcomes(gc(s)) == [("logged_model", "removed"), ("run", "removed")]
    assert not there(s, file_b) and not there(s, file_m)
    assert there(s, file_keep) and status(s, f"runs/get?run_id={keep}") == 200
    assert gc(s) == []
    assert "Run " + keep not in s.cli("gc").stdout


@pytest.mark.san
def test_an_experiment_goes_with_all_it_has(platform):
    s = platform
    e = experiment(s, "whole")
    (a, file_a), (b, file_b), (m, file_m) = run(s, e), run(s, e), logged(s, e)
    s.mlflow("POST", "experiments/delete", {"experiment_id": e})
    s.mlflow("POST", "runs/restore", {"run_id": b})
    lines = gc(s, "--experiment-ids", e)
    assert outcomes(lines) == [("experiment", "kept"), ("logged_model", "removed"), ("run", "removed")]
    assert "still has 1" in next(x for x in lines if x["kind"] == "experiment")["why"]
    assert there(s, file_b) and not there(s, file_a) and not there(s, file_m)
    s.mlflow("POST", "runs/delete", {"run_id": b})
    assert outcomes(gc(s)) == [("experiment", "removed"), ("run", "removed")]
    assert status(s, f"experiments/get?experiment_id={e}") == 404
    assert experiment(s, "whole")  # the name is free again


def test_what_a_registered_version_needs_stays(platform):
    s = platform
    e = experiment(s, "used")
    a, file_a = run(s, e)
    m, file_m = logged(s, e)
    s.mlflow("POST", "registered-models/create", {"name": "used"})
    uri = s.mlflow("GET", f"runs/get?run_id={a}")["run"]["info"]["artifact_uri"]
    s.mlflow("POST", "model-versions/create", {"name": "used", "source": uri + "/d", "run_id": a})
    s.mlflow("POST", "model-versions/create", {"name": "used", "source": f"models:/{m}", "model_id": m})
    s.mlflow("POST", "runs/delete", {"run_id": a})
    s.mlflow("DELETE", f"logged-models/{m}")
    lines = gc(s)
    assert outcomes(lines) == [("logged_model", "kept"), ("run", "kept")]
    assert {x["why"] for x in lines} == {"it holds the files of model used version 1", "it holds the files of model used version 2"}
    assert there(s, file_a) and there(s, file_m)
    s.mlflow("DELETE", "model-versions/delete", {"name": "used", "version": "1"})
    assert outcomes(gc(s)) == [("logged_model", "kept"), ("run", "removed")]
    assert outcomes(gc(s, "--force")) == [("logged_model", "removed")]
    assert not there(s, file_a) and not there(s, file_m)


def test_files_of_another_store_are_named_and_left(platform):
    s = platform
    e = s.mlflow("POST", "experiments/create", {"name": "cloud", "artifact_location": "s3://bucket/x"})["experiment_id"]
    r = s.mlflow("POST", "runs/create", {"experiment_id": e})["run"]["info"]["run_id"]
    s.mlflow("POST", "runs/delete", {"run_id": r})
    assert gc(s) == [{"kind": "run", "id": r, "outcome": "removed, but not its files",
                      "files_left": f"s3://bucket/x/{r}/artifacts"}]


@pytest.mark.parametrize("args, says", [
    (["--older-than", "soon"], "is no time"), (["--older-than", "1h1d"], "is no time"), (["--run-ids", " "], "names none"),
    (["--run-ids", "nope"], "not found"), (["--experiment-ids", "0"], "not in `deleted`"), (["--experiment-ids", "abc"], "integer"),
    (["--logged-model-ids", "m-none"], "not found"), (["--nonsense"], "nonsense"), (["extra"], "extra")])
def test_mistakes_remove_nothing(platform, args, says):
    r = platform.cli("gc", *args, check=False)
    assert r.returncode != 0 and says in r.stderr and r.stdout == "", (r.stdout, r.stderr)


def test_the_route_refuses_nonsense(platform):
    for path, body in (("plan", {"older_than_ms": -1}), ("plan", {"run_ids": "x"}), ("remove", {"kind": "run"}),
                       ("remove", {"kind": "file", "id": "x"}), ("remove", {})):
        answer = request(platform.registry, "POST", "/api/sibyl/1/gc/" + path, body)
        assert answer.status == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert request(platform.registry, "POST", "/api/sibyl/1/gc/remove", {"kind": "run", "id": "gone"}).json() == {"removed": True}


def test_without_a_platform(tmp_path):
    with Sibyl(folder=tmp_path) as s:
        e = experiment(s, "offline")
        (a, file_a), (b, file_b) = run(s, e), run(s, e)
        s.mlflow("POST", "runs/delete", {"run_id": a})
        s.stop()
        assert outcomes(gc(s, "--dry-run")) == [("run", "would be removed")]
        assert outcomes(gc(s)) == [("run", "removed")]
        assert gc(s, "--run-ids", b, check=False) == []
        s.start()
        assert not there(s, file_a) and there(s, file_b) and status(s, f"runs/get?run_id={b}") == 200
    s.data = tmp_path / "elsewhere"
    r = s.cli("gc", check=False)
    assert r.returncode == 1 and "no registry in this data folder" in r.stderr


def test_killed_in_the_middle_and_run_again(tmp_path):
    """The platform dies while it removes; what is left is removed by the next call, and only that."""
    with Sibyl(folder=tmp_path) as s:
        e, other = experiment(s, "many"), experiment(s, "other")
        keep, file_keep = run(s, other)
        files = dict(run(s, e) for _ in range(40))
        s.mlflow("POST", "experiments/delete", {"experiment_id": e})
        lines = []
        worker = threading.Thread(target=lambda: lines.extend(gc(s, check=False)))
        worker.start()
        end = time.monotonic() + 30
        while sum(map(lambda p: (s.data / "artifacts" / p).exists(), files.values())) == 40 and time.monotonic() < end:
            pass
        s.kill()
        worker.join(60)
        s.start()
        assert sum(x["outcome"] == "removed" for x in lines) < 41, "it was killed too late to show anything"
        for r, path in files.items():  # no run without its row says that it is there
            if status(s, f"runs/get?run_id={r}") == 404:
                assert not there(s, path)
        gc(s)
        assert status(s, f"experiments/get?experiment_id={e}") == 404
        assert not any(there(s, p) for p in files.values())
        assert [p for p in (s.data / "artifacts" / ".sibyl-upload").iterdir()] == []
        assert there(s, file_keep) and status(s, f"runs/get?run_id={keep}") == 200
