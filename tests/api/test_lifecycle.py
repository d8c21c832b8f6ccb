"""Versions come and go, processes die, the disk fills up: predictions go on, or say clearly why not."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

import pytest
from sibyl import SIBYL, Sibyl, command_of, request, tree, wait_for

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


class Load:
    """Threads that send predictions until stopped; every answer is kept."""

    def __init__(self, s, path, body, threads=4):
        self.s, self.path, self.body, self.answers, self.done = s, path, body, [], False
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", self.s.serving, timeout=30)
        data = json.dumps(self.body)
        while not self.done:
            try:
                connection.request("POST", self.path, data, {"Content-Type": "application/json"})
                r = connection.getresponse()
                self.answers.append((r.status, r.headers.get("X-Model-Version"), r.headers.get("X-Event-ID"), r.read()))
            except (OSError, http.client.HTTPException) as e:
                self.answers.append((0, None, None, repr(e).encode()))
                connection.close()

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.done = True
        for t in self.threads:
            t.join()


def rss(pid):
    return int(next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def test_fifty_alias_moves_under_load_fail_nothing_and_mix_nothing_up(fresh, model_folder):
    s = fresh
    versions = {"a": s.register("which", model_folder / "always-a", alias="production"), "b": s.register("which", model_folder / "always-b", wait=0)}
    by_version = {v: k for k, v in versions.items()}
    pid = s.role_pid("serving")
    with Load(s, "/models/which/predict", ROW) as load:
        for i in range(50):
            s.alias("which", "production", versions["ab"[(i + 1) % 2]])
            s.wait_live("which", versions["ab"[(i + 1) % 2]], 20)
            if i == 9:
                before = rss(pid)
    assert len(load.answers) > 500
    assert {a[0] for a in load.answers} == {200}
    for _, version, _, body in load.answers:
        assert json.loads(body)["prediction"] == {"name": by_version[version]}
    # the event names the version that computed it
    for line in s.cli("events", "tail", "--json", "-n", "2000").stdout.splitlines():
        e = json.loads(line)
        assert e["prediction"] == {"name": by_version[e["model_version"]]}
    assert {a[1] for a in load.answers} == set(versions.values())
    if not os.environ.get("SIBYL_SANITIZER"):  # those keep freed memory for a while
        assert rss(pid) < before + 16e6, "memory of old versions did not come back"


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_live(fresh, model_folder, tmp_path):
    s = fresh
    first = s.register("iris", model_folder / "forest", alias="production")
    broken = tmp_path / "broken"
    shutil.copytree(model_folder / "forest", broken)
    pickle = broken / "model.pkl"
    pickle.write_bytes(pickle.read_bytes()[:2000])
    second = s.register("iris", broken, alias="production", wait=0)
    m = wait_for("the failure", 60, lambda: (m := s.model("iris")).get("failure") and m)
    assert m["live"]["version"] == first and m["failed_version"] == second
    assert s.post("/models/iris/predict", ROW).headers["X-Model-Version"] == first
    h = s.get("/health").json()
    assert h["status"] == "degraded" and any("failure" in m for m in h["models"])
    assert "could not be loaded" in s.log() and m["failure"][:40] in s.log()
    listed = s.cli("models").stdout
    assert m["failure"][:40] in listed
    # and a good one goes live after it
    third = s.register("iris", model_folder / "forest", alias="production")
    assert s.model("iris")["live"]["version"] == third and "failure" not in s.model("iris")


def test_the_newest_version_is_live_until_an_alias_decides(fresh, model_folder):
    s = fresh
    s.register("which", model_folder / "always-a")
    assert s.model("which")["live"]["policy"] == "latest READY version"
    second = s.register("which", model_folder / "always-b")
    assert s.post("/models/which/predict", ROW).json()["prediction"] == {"name": "b"}
    s.alias("which", "production", 1)
    s.wait_live("which", "1")
    s.mlflow("DELETE", "registered-models/alias", {"name": "which", "alias": "production"})
    s.wait_live("which", second)
    s.mlflow("POST", "model-versions/transition-stage", {"name": "which", "version": "1", "stage": "Production", "archive_existing_versions": False})
    s.wait_live("which", "1")
    assert s.model("which")["live"]["policy"] == "stage Production"
    s.mlflow("DELETE", "registered-models/delete", {"name": "which"})
    wait_for("the model's end", 20, lambda: s.post("/models/which/predict", ROW).status == 404)


def test_killing_platform_under_load_fails_no_prediction(fresh, model_folder):
    s = fresh
    s.register("iris", model_folder / "forest")
    with Load(s, "/models/iris/predict", ROW) as load:
        for _ in range(5):
            pid = s.role_pid("platform")
            os.kill(pid, signal.SIGKILL)
            wait_for("platform again", 30, lambda: s.role_pid("platform") != pid and request(s.registry, "GET", "/health").status == 200)
        time.sleep(0.5)
    assert len(load.answers) > 200 and {a[0] for a in load.answers} == {200}
    assert s.mlflow("GET", "registered-models/get?name=iris")["registered_model"]["name"] == "iris"


def test_serving_starts_and_answers_with_the_registry_down(fresh, model_folder):
    s = fresh
    s.register("iris", model_folder / "forest", alias="production")
    assert s.stop() == 0
    s.args = ("--registry-url", "http://127.0.0.1:1")
    s.start(wait=False)
    wait_for("serving", 20, lambda: request(s.serving, "GET", "/ready").status == 200)
    assert s.post("/models/iris/predict", ROW).json()["prediction"] == {"species": "setosa"}
    assert s.get("/health").json()["registry"]["state"] == "unreachable"


def test_python_models_are_served_with_their_probabilities(fresh, model_folder):
    s = fresh
    s.register("wrapped", model_folder / "wrapped")
    a = s.post("/models/wrapped/predict", [ROW, {**ROW, "petal_length": 6.0, "petal_width": 2.5}])
    assert a.status == 200, a
    rows = a.json()["predictions"]
    assert [r["prediction"] for r in rows] == [{"Species": "setosa"}, {"Species": "virginica"}]
    assert set(rows[0]["probabilities"]) == {"setosa", "versicolor", "virginica"}
    m = s.model("wrapped")["live"]
    assert m["backend"] == "python" and m["why"]
    assert s.event(a.headers["X-Event-ID"])["class_probabilities_map"] == rows[0]["probabilities"]


def test_a_worker_that_dies_fails_only_the_rows_it_held(model_folder):
    with Sibyl("--worker-processes", "2") as s:
        s.register("moody", model_folder / "moody")
        a = s.post("/models/moody/predict", {"action": "exit", "x": 3.0})
        assert a.status == 503 and "worker" in a.json()["error"]["message"], a
        assert s.event(a.headers["X-Event-ID"])["status"] == "error"
        assert wait_for("the next answer", 30, lambda: (a := s.post("/models/moody/predict", {"action": "none", "x": 2.0})).status == 200 and a).json()["prediction"] == {"doubled": 4.0}
        with Load(s, "/models/moody/predict", {"action": "none", "x": 2.0}) as load:
            time.sleep(1)
            victim = s.worker_pids()[0]
            os.kill(victim, signal.SIGKILL)
            time.sleep(2)
        bad = [x for x in load.answers if x[0] != 200]
        assert len(load.answers) > 50 and len(bad) <= 4 and {x[0] for x in bad} <= {503}
        assert wait_for("both workers", 60, lambda: len(s.worker_pids()) == 2)


def test_what_a_python_model_prints_and_raises(fresh, model_folder):
    s = fresh
    s.register("moody", model_folder / "moody")
    assert s.post("/models/moody/predict", {"action": "print", "x": 41.5}).status == 200
    wait_for("the print in the log", 5, lambda: "moody says 41.5" in s.log())
    a = s.post("/models/moody/predict", {"action": "raise", "x": 9.0})
    assert a.status >= 400 and "moody refuses 9.0" in a.json()["error"]["message"]
    assert "moody refuses 9.0" in s.event(a.headers["X-Event-ID"])["error"]


def test_a_prediction_over_its_deadline_is_answered_and_recorded_as_a_timeout(model_folder):
    with Sibyl("--serving-timeout", "1s") as s:
        s.register("moody", model_folder / "moody")
        begin = time.monotonic()
        a = s.post("/models/moody/predict", {"action": "sleep", "x": 5.0}, headers={"X-Request-ID": "slow-1"})
        assert a.status == 504 and time.monotonic() - begin < 3
        def found():
            events = [json.loads(line) for line in s.cli("events", "tail", "--json").stdout.splitlines()]
            return [e for e in events if e["request_id"] == "slow-1"]
        events = wait_for("the event", 10, found)
        assert [e["status"] for e in events] == ["timeout"]
        assert wait_for("the worker again", 60, lambda: s.post("/models/moody/predict", {"action": "none", "x": 2.0}).status == 200)


@contextlib.contextmanager
def small_disk(tmp_path, megabytes):
    """A file system of that size; needs to be root, as ./test checks."""
    where = tmp_path / "small"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def test_a_full_disk_answers_503_with_the_reason_and_goes_on_by_itself(model_folder, tmp_path):
    with small_disk(tmp_path, 48) as folder, Sibyl("--journal-segment-size", "4MiB", folder=folder) as s:
        s.register("iris", model_folder / "forest")
        filler = folder / "filler"
        with open(filler, "wb") as f, contextlib.suppress(OSError):
            while True:
                f.write(b"x" * 65536)
                f.flush()
        full = wait_for("the journal full", 120, lambda: next((a for a in (s.post("/models/iris/predict", [ROW] * 500) for _ in range(20)) if a.status != 200), None))
        assert full.status == 503 and "full" in full.json()["error"]["message"], full
        assert "X-Event-ID" not in full.headers
        assert s.get("/health").status == 503 and "full" in s.get("/health").json()["reason"]
        filler.unlink()
        assert wait_for("answers again", 10, lambda: (a := s.post("/models/iris/predict", ROW)).status == 200 and a)
        assert s.get("/health").json()["status"] == "healthy"
        s.close()


def test_sigterm_answers_what_is_in_flight(fresh, model_folder):
    s = fresh
    s.register("moody", model_folder / "moody")
    answers = []
    slow = threading.Thread(target=lambda: answers.append(s.post("/models/moody/predict", {"action": "sleep", "x": 2.0})))
    slow.start()
    time.sleep(0.7)
    begin = time.monotonic()
    assert s.stop() == 0
    slow.join()
    assert answers[0].status == 200 and time.monotonic() - begin < 10
    assert not [p for p in tree(s.process.pid) if command_of(p)]


def test_the_mlflow_dialect_answers_400_to_an_exception_of_the_model(fresh, model_folder):
    s = fresh
    s.register("moody", model_folder / "moody")
    a = s.post("/models/moody/invocations", {"dataframe_records": [{"action": "raise", "x": 3.0}]})
    assert a.status == 400 and a.json()["error_code"] == "BAD_REQUEST" and "moody refuses 3.0" in a.json()["message"]
    assert s.event(a.headers["X-Event-ID"])["status"] == "error"


@pytest.mark.san
def test_many_models_registered_at_once_go_live(fresh, model_folder):
    s = fresh
    threads = [threading.Thread(target=lambda k=k: [s.register(f"m{k}-{i}", model_folder / "always-a", wait=0) for i in range(3)]) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    wait_for("all of them", 60, lambda: sum("live" in m for m in s.get("/models").json()["models"]) == 12)
    assert {s.post(f"/models/m{k}-{i}/predict", ROW).json()["prediction"]["name"] for k in range(4) for i in range(3)} == {"a"}
    assert s.stop() == 0, s.log()[-3000:]
