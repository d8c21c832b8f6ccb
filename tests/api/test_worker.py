"""Python workers, driven through worker_tool: real MLflow models in real processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest

import worker_models

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SCRIPT = os.path.join(ROOT, "python", "sibyl_worker.py")
GOLDEN = os.path.join(ROOT, "tests", "golden", "worker-protocol-1")
PYTHON = os.environ.get("SIBYL_TEST_PY") or os.path.expanduser("~/.cache/sibyl/v3172/bin/python")
ROW = dict(zip(worker_models.FEATURES, [5.1, 3.5, 1.4, 0.2]))


@pytest.fixture(scope="session")
def tool_path():
    kind = os.environ.get("SIBYL_SANITIZER") or "release"
    out = os.environ.get("SIBYL_BUILD_DIR", "build")
    path = os.path.join(out, kind, "tests", "worker_tool")
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    subprocess.run(["make", "-s", "-j2", "V=" + kind, "O=" + out, path], cwd=ROOT, env=env, check=True)
    return os.path.join(ROOT, path)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    worker_models.save_all(str(root))
    return root


class Tool:
    def __init__(self, path, model, *args):
        self.proc = subprocess.Popen(
            [path, "--python", PYTHON, *args, SCRIPT, str(model)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.proc.stderr), daemon=True)
        self.reader.start()
        self.opened = json.loads(self.proc.stdout.readline())

    def send(self, doc):
        self.proc.stdin.write(json.dumps(doc) + "\n")
        self.proc.stdin.flush()

    def receive(self):
        return json.loads(self.proc.stdout.readline())

    def call(self, *requests):
        self.send({"requests": list(requests)})
        return self.receive()["answers"]

    def one(self, *rows, **more):
        return self.call({"rows": list(rows), **more})[0]

    def describe(self):
        self.send({"describe": True})
        return self.receive()

    def close(self):
        self.proc.stdin.close()
        code = self.proc.wait(20)
        self.reader.join(10)
        return code

    def text(self):
        return "".join(self.log)


@pytest.fixture
def open_tool(tool_path, models):
    tools = []

    def start(model, *args):
        tools.append(Tool(tool_path, models / model, *args))
        return tools[-1]

    yield start
    for t in tools:
        if t.proc.poll() is None:
            assert t.close() == 0, t.text()


@pytest.fixture(scope="module")
def odd_tool(tool_path, models):
    """For tests that leave a worker as they found it."""
    t = Tool(tool_path, models / "odd", "--max-rows", "64", "--validate")
    yield t
    assert t.close() == 0, t.text()


def odd(what, x=0.0):
    return {"what": what, "x": x}


def wait_state(tool, want, seconds=20):
    end = time.time() + seconds
    while time.time() < end:
        d = tool.describe()
        if d["workers"][0]["state"] == want:
            return d
        time.sleep(0.05)
    raise AssertionError("worker is not %s: %s" % (want, d))


def test_the_golden_frames_are_read_and_written_by_the_worker():
    sys.path.insert(0, os.path.dirname(SCRIPT))
    import sibyl_worker as w

    w.np, w.pd = np, pd
    with open(os.path.join(GOLDEN, "predict.bin"), "rb") as f:
        r = w.Reader(memoryview(f.read()[8:]))
    request, nrows, ncols, flags, params_len = r.take("<QIIII")
    assert (request, nrows, ncols, flags) == (42, 3, 4, w.FLAG_PROBA)
    assert bytes(r.bytes(params_len)) == b'{"k":1}'
    x, text, n, gone = [w.read_column(r, nrows) for _ in range(ncols)]
    assert r.at == len(r.body)
    assert x.name == "x" and x.data.tolist() == [1.5, 2.0, 7.0]
    assert text.name == "caf\u00e9" and text.data == ["one", "", "\u20ac"]
    assert n.null.tolist() == [False, True, False] and n.data.tolist() == [-1, 2**63 - 1, -1]
    assert gone is None

    class Answering:
        outputs, class_labels = [], ["yes", "no"]

    raw = pd.DataFrame({"y": [1.5, 2.5, 3.5], "t": ["a", None, "\u20ac"], "i": np.array([7, 8, 9], "i4")})
    frame = w.result_frame(42, Answering, raw, np.array([[1, 0], [0.25, 0.75], [0.5, 0.5]]), 3, 1234567)
    with open(os.path.join(GOLDEN, "result.bin"), "rb") as f:
        assert bytes(frame.out[8:]) == f.read()[8:]


@pytest.mark.san
def test_an_sklearn_pipeline_answers_as_the_library_does(open_tool):
    t = open_tool("forest", "--validate")
    assert t.opened["open"] == "OK"
    assert t.opened["class_name"] == "sklearn.pipeline.Pipeline"
    X, y = worker_models.iris()
    rows = X.to_dict("records")
    a = t.one(*rows)
    import mlflow.sklearn

    model = mlflow.sklearn.load_model(t.proc.args[-1])
    assert a["outputs"]["prediction"] == list(model.predict(X))
    assert a["classes"] == worker_models.SPECIES
    assert np.array_equal(np.array(a["proba"]).reshape(len(rows), 3), model.predict_proba(X))
    single = t.one(rows[77])
    assert single["outputs"]["prediction"] == [a["outputs"]["prediction"][77]]
    assert single["proba"] == a["proba"][77 * 3:78 * 3]
    d = t.describe()
    assert d["model"]["example"] == "passed" and d["proba"] is True
    assert d["workers"][0]["rss"] > 10 << 20
    # a caller's mistake is told before the model sees it
    assert t.one({"SepalLengthCm": 1})["err"] == "INVALID"


def test_a_wrapped_pipeline_with_label_encoder_has_probabilities(open_tool):
    t = open_tool("species")
    a = t.one(ROW, dict(ROW, PetalLengthCm=6.0, PetalWidthCm=2.2))
    assert a["outputs"] == {"Species": ["Iris-setosa", "Iris-virginica"]}
    assert a["classes"] == worker_models.SPECIES
    p = np.array(a["proba"]).reshape(2, 3)
    assert p.argmax(axis=1).tolist() == [0, 2] and np.allclose(p.sum(axis=1), 1)


def test_xgboost_has_probabilities(open_tool):
    t = open_tool("xgb")
    a = t.one(ROW)
    assert a["outputs"] == {"prediction": [0]} and a["classes"] == ["0", "1", "2"]
    assert a["proba"][0] > 0.5


def test_a_tensor_model_gets_an_array(open_tool):
    t = open_tool("sum")
    assert t.one([1, 2], [3, 4.5])["outputs"] == {"prediction": [3.0, 7.5]}
    assert t.one([1, 2, 3])["err"] == "INVALID"


def test_a_model_with_type_hints_gets_a_list(open_tool):
    t = open_tool("hinted")
    assert t.one("abc", "x")["outputs"] == {"prediction": [3, 1]}


@pytest.mark.san
def test_waiting_requests_go_as_one_call_and_errors_stay_with_their_own(odd_tool):
    t = odd_tool
    calls = t.describe()["calls"]
    answers = t.call({"rows": [odd("sleep", 0.3)]}, *[{"rows": [odd("count"), odd("count")]}] * 20)
    assert answers[0]["outputs"]["prediction"] == [1.0]
    sizes = [a["outputs"]["prediction"][0] for a in answers[1:]]
    assert sizes == [40.0] * 20, "twenty waiting requests are one call"
    assert t.describe()["calls"] == calls + 2
    # rows of one call stay below max-rows
    answers = t.call({"rows": [odd("sleep", 0.3)]}, *[{"rows": [odd("count")] * 30}] * 3)
    assert [a["outputs"]["prediction"][0] for a in answers[1:]] == [60.0, 60.0, 30.0]
    # one that fails does not fail those it went with
    answers = t.call({"rows": [odd("sleep", 0.3)]}, {"rows": [odd("count")]}, {"rows": [odd("raise")]},
                     {"rows": [odd("count")]}, {"rows": [odd("short"), odd("x")]})
    assert [a["err"] for a in answers] == ["OK", "OK", "BUG", "OK", "BUG"]
    # other params: another call
    answers = t.call({"rows": [odd("sleep", 0.3)]}, {"rows": [odd("param")], "params": {"k": 7}},
                     {"rows": [odd("param")]}, {"rows": [odd("param")], "params": {"k": 9}})
    assert [a["outputs"]["prediction"] for a in answers[1:]] == [[7.0], [0.5], [9.0]]


def test_what_models_do_wrong_is_told(odd_tool):
    t = odd_tool
    a = t.one(odd("raise"))
    assert a["err"] == "BUG" and "RuntimeError: odd model fails" in a["msg"]
    a = t.one(odd("value", 3))
    assert a["err"] == "INVALID" and "ValueError: x is not what I want: 3" in a["msg"]
    a = t.one(odd("short"), odd("y"))
    assert a["err"] == "BUG" and "1 values for 2 rows" in a["msg"]
    a = t.one(odd("param"), params={"k": "no number"})
    assert a["err"] == "INVALID" and "Invalid parameters" in a["msg"]
    # outputs of several kinds
    a = t.one(odd("names", 1), odd("names", 2))
    assert a["outputs"] == {"a": [1.0, 2.0], "b": ["t1", "t2"], "c": [1.0, None]}
    a = t.one(odd("nested"), odd("y"))
    assert a["outputs"]["prediction"] == [{"k": [1, None], "i": 0}, {"k": [1, None], "i": 1}]


def test_what_models_print_is_in_the_log_with_their_name(odd_tool):
    t = odd_tool
    assert t.one(odd("print"))["err"] == "OK"
    end = time.time() + 10
    while not ("to stderr" in t.text() and "second line" in t.text()) and time.time() < end:
        time.sleep(0.02)
    lines = [x for x in t.log if "event=output" in x]
    for text, stream in (("odd model loaded", "stdout"), ("first line", "stdout"),
                         ("second line", "stdout"), ("to stderr", "stderr")):
        line = [x for x in lines if text in x]
        assert len(line) == 1 and "model=tested version=1" in line[0] and "stream=" + stream in line[0]


@pytest.mark.san
def test_a_worker_that_ends_fails_only_what_it_held_and_comes_back(odd_tool):
    t = odd_tool
    before = t.describe()["workers"][0]
    answers = t.call({"rows": [odd("exit", 7)]}, {"rows": [odd("count")], "timeout_ms": 30000})
    # the second waited, or went with the first one's call; it is never answered wrongly
    assert answers[0]["err"] == "UNAVAILABLE" and "exit status 7" in answers[0]["msg"]
    assert answers[1]["err"] in ("OK", "UNAVAILABLE")
    d = wait_state(t, "idle")
    assert d["workers"][0]["restarts"] == before["restarts"] + 1
    assert d["workers"][0]["pid"] != before["pid"]
    assert t.one(odd("count"))["err"] == "OK"
    # killed from outside while it computes
    t.send({"requests": [{"rows": [odd("sleep", 20)]}]})
    time.sleep(0.3)
    os.kill(d["workers"][0]["pid"], signal.SIGKILL)
    a = t.receive()["answers"][0]
    assert a["err"] == "UNAVAILABLE" and "signal 9 (KILL)" in a["msg"]
    wait_state(t, "idle")
    assert t.one(odd("count"))["err"] == "OK"


@pytest.mark.san
def test_a_stuck_worker_is_killed_at_the_deadline_and_restarted(odd_tool):
    t = odd_tool
    before = t.describe()
    t0 = time.time()
    answers = t.call({"rows": [odd("sleep", 30)], "timeout_ms": 500},
                     {"rows": [odd("count")], "timeout_ms": 700},
                     {"rows": [odd("count")], "timeout_ms": 30000})
    assert answers[0]["err"] == "TIMEOUT" and answers[1]["err"] == "TIMEOUT"
    assert answers[2]["err"] == "OK" and time.time() - t0 < 25
    d = t.describe()
    assert d["workers"][0]["restarts"] == before["workers"][0]["restarts"] + 1
    assert d["timeouts"] == before["timeouts"] + 2


def test_memory_is_limited(open_tool):
    t = open_tool("odd", "--memory", str(1 << 30))
    assert t.one(odd("alloc", 100 << 20))["outputs"]["prediction"] == [100 << 20]
    a = t.one(odd("alloc", 2 << 30))
    assert a["err"] == "UNAVAILABLE" and "MemoryError" in a["msg"]
    assert t.one(odd("count"))["err"] == "OK"
    assert t.describe()["workers"][0]["restarts"] == 0


def test_a_full_queue_is_told_at_once(open_tool):
    t = open_tool("odd", "--queue", "2")
    answers = t.call({"rows": [odd("sleep", 0.5)]}, *[{"rows": [odd("count")]}] * 5)
    errs = [a["err"] for a in answers]
    assert errs.count("BUSY") >= 3 and set(errs) == {"OK", "BUSY"}


def test_a_model_that_does_not_load_says_why(open_tool, tmp_path):
    t = open_tool("noload")
    assert t.opened["open"] == "INVALID"
    assert t.opened["msg"] == "OSError: weights.bin is not there"
    assert t.proc.wait(20) == 1
    t = open_tool("odd", "--start-timeout-ms", "200")
    assert t.opened["open"] == "TIMEOUT" and t.proc.wait(20) == 1
    t = open_tool("odd", "--python", "/no/such/python")
    assert t.opened["open"] == "MISSING" and "/no/such/python" in t.opened["msg"]
    assert t.proc.wait(20) == 1
    bare = tmp_path / "python"  # without its site-packages
    bare.write_text('#!/bin/sh\nexec %s -S "$@"\n' % PYTHON)
    bare.chmod(0o755)
    t = open_tool("odd", "--python", str(bare))
    assert t.opened["open"] == "INVALID" and "install mlflow" in t.opened["msg"]
    assert t.proc.wait(20) == 1


def test_workers_die_with_their_parent(open_tool):
    t = open_tool("odd", "--workers", "2")
    end = time.time() + 20
    while any(w["state"] != "idle" for w in t.describe()["workers"]) and time.time() < end:
        time.sleep(0.1)
    pids = [w["pid"] for w in t.describe()["workers"]]
    # two workers compute at the same time
    t0 = time.time()
    a = t.call({"rows": [odd("sleep", 0.6)]}, {"rows": [odd("sleep", 0.6)]})
    assert [x["err"] for x in a] == ["OK", "OK"] and time.time() - t0 < 1.1
    t.proc.kill()
    t.proc.wait(10)
    end = time.time() + 10
    while any(os.path.exists("/proc/%d" % p) for p in pids) and time.time() < end:
        time.sleep(0.02)
    assert not any(os.path.exists("/proc/%d" % p) for p in pids)
