"""Input that is wrong, broken or meant to harm, over every port and from every folder: a bounded, clear
error, no crash, nothing else disturbed."""
import json
import os
import pathlib
import pickle
import random
import shutil
import socket
import subprocess
import threading
import time
import zipfile
from urllib.parse import quote

import pytest
from sibyl import SIBYL, Sibyl, request, wait_for

pytestmark = pytest.mark.san
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
VALUES = list(ROW.values())
REGISTRY = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


class Healthy:
    """A client that behaves, beside those that do not: every answer must be right."""

    def __init__(self, s):
        self.s, self.count, self.wrong, self.done = s, 0, [], False
        self.pids = [s.role_pid("serving"), s.role_pid("platform")]
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done:
            try:
                a = self.s.post("/models/iris/predict", ROW)
                if a.status != 200 or a.json()["prediction"] != {"species": "setosa"}:
                    self.wrong.append(a)
            except OSError as e:
                self.wrong.append(e)
            self.count += 1
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.done = True
        self.thread.join()
        if exc[0] is None:
            assert not self.wrong and self.count, self.wrong[:3]
            assert self.pids == [self.s.role_pid("serving"), self.s.role_pid("platform")], "a process was restarted"
            assert "Sanitizer" not in self.s.log() and "runtime error" not in self.s.log()


@pytest.fixture(scope="module")
def s(model_folder):
    with Sibyl() as s:
        s.register("iris", model_folder / "forest", alias="production")
        yield s
        assert s.stop(30) == 0, s.log()[-4000:]


@pytest.fixture(scope="module")
def run(s):
    return s.mlflow("POST", "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]


def upload(s, path, data):
    a = request(s.registry, "PUT", f"{FILES}/{quote(path)}", data)
    assert a.status == 200, a


def outcome(s, name, seconds=60):
    return wait_for(f"what becomes of {name}", seconds, lambda: (m := s.model(name)) and (m.get("failure") or m.get("live")) and m)


# ---- bytes ----

TOKENS = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"NaN", b"-Infinity", b"1e999", b"-0", b"9007199254740993", b"1" * 400, b"0x10",
          b"01", b'"\\ud800"', b'"\\u0000"', b"\x00", b"\xff\xfe", b"\xc0\x80", b"\r\n", b"[[]]", b"18446744073709551616", b"%00", b"%252e%252e", b"../", b"\\"]


def mutate(rnd, data):
    b = bytearray(data)
    for _ in range(rnd.randint(1, 4)):
        i = rnd.randrange(len(b) + 1)
        j = min(len(b), i + rnd.randint(1, 12))
        b[i:j] = rnd.choice([b"", bytes([rnd.randrange(256)]), rnd.choice(TOKENS), b[i:j] * 2])
    return bytes(b)


def exchange(port, data):
    """Sends bytes and the end of them; the status of the first answer, 0 when the connection just ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as c:
        answer = b""
        try:
            c.sendall(data)
            c.shutdown(socket.SHUT_WR)
            while piece := c.recv(65536):
                answer += piece
        except ConnectionError:
            pass
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def post(path, body):
    return "POST", path, json.dumps(body).encode()


def valid_requests(run):
    rows = [ROW, ROW]
    return {
        "serving": [post("/models/iris/predict", ROW), post("/predict", rows), post("/invocations", {"dataframe_records": rows}),
                    post("/invocations", {"dataframe_split": {"columns": list(ROW), "index": [0], "data": [VALUES]}}),
                    post("/invocations", {"instances": [VALUES]}), post("/invocations", {"inputs": {k: [v] for k, v in ROW.items()}, "params": {"a": 1}}),
                    ("GET", "/metrics", b""), ("GET", "/openapi.json", b"")],
        "registry": [post(REGISTRY + "experiments/search", {"max_results": 5, "filter": "name LIKE 'a%' AND tags.`a b` = 'x'", "order_by": ["name DESC"], "page_token": "e30="}),
                     post(REGISTRY + "runs/search", {"experiment_ids": ["0"], "filter": "metrics.a > 0.5 and params.`b` = '1' and attributes.status IN ('FINISHED')", "order_by": ["metrics.a"]}),
                     post(REGISTRY + "runs/log-batch", {"run_id": run, "metrics": [{"key": "m", "value": "NaN", "timestamp": 1, "step": 0}], "params": [], "tags": [{"key": "t", "value": "u"}]}),
                     post(REGISTRY + "runs/log-inputs", {"run_id": run, "datasets": [{"dataset": {"name": "d", "digest": "x", "source_type": "s", "source": "{}"}}]}),
                     post(REGISTRY + "runs/log-metric", {"run_id": run, "key": "a/b", "value": 1.5, "timestamp": 1, "step": 3}),
                     post(REGISTRY + "logged-models/search", {"experiment_ids": ["0"], "filter": "name = 'x' AND metrics.acc > 1", "order_by": [{"field_name": "metrics.acc", "ascending": False}]}),
                     post(REGISTRY + "model-versions/set-tag", {"name": "iris", "version": "1", "key": "k", "value": "v"}),
                     post(REGISTRY + "registered-models/set-tag", {"name": "iris", "key": "k", "value": "v"}),
                     ("GET", REGISTRY + "model-versions/search?filter=name%3D'iris'%20and%20run_id%20IN%20('a')&order_by=version_number&page_token=zz", b""),
                     ("GET", REGISTRY + f"metrics/get-history?run_id={run}&metric_key=a&max_results=3&page_token=x", b""),
                     ("GET", f"{FILES}?path=0/{run}/artifacts", b""), ("GET", f"/get-artifact?run_uuid={run}&path=model/MLmodel", b"")],
        "dashboard": [("GET", "/", b""), ("GET", "/events", b""), ("GET", "/static/lib/dom.js", b""), ("GET", "/api/serving/models?x=1", b""), post("/api/registry/api/2.0/mlflow/runs/search", {"experiment_ids": ["0"]})],
    }


@pytest.mark.parametrize("port", ["serving", "registry", "dashboard"])
def test_mutated_requests_get_an_answer_of_the_callers_fault(s, run, port):
    rnd = random.Random(port)
    seen = set()
    with Healthy(s):
        for _ in range(400):
            method, path, body = rnd.choice(valid_requests(run)[port])
            where = rnd.random()
            body = mutate(rnd, body) if body and where < 0.8 else body
            path = mutate(rnd, path.encode()) if where > 0.7 else path.encode()
            head = method.encode() + b" " + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
            head = mutate(rnd, head) if where > 0.95 else head
            status = exchange(getattr(s, port), head + body)
            assert status < 500 or status in (501, 505), (status, head, body)
            seen.add(status)
    assert {200, 400, 404} <= seen


def big(n, item):
    return b"[" + b",".join([item] * n) + b"]"


BODIES = {
    "a million members": ("/predict", b"{" + b",".join(b'"k%d":1' % i for i in range(1000000)) + b"}"),
    "as deep as it is long": ("/predict", b"[" * 8000000),
    "a key a thousand times": ("/predict", b"{" + b'"sepal_length":1,' * 999 + b'"sepal_length":2}'),
    "rows over the limit": ("/predict", big(100001, b'{"a":1}')),
    "one string": ("/predict", b'{"sepal_length":"' + b"x" * 15000000 + b'"}'),
    "over 16 MiB": ("/predict", b" " * (17 << 20)),
    "columns over the limit": ("/invocations", b'{"dataframe_split":{"columns":' + big(5000, b'"c"') + b',"data":[[1]]}}'),
    "ragged rows": ("/invocations", json.dumps({"dataframe_split": {"columns": list(ROW), "data": [VALUES, VALUES[:2]]}}).encode()),
    "a row of a million": ("/invocations", b'{"instances":[' + big(1000000, b"1") + b"]}"),
    "a million empty rows": ("/invocations", b'{"instances":' + big(1000000, b"[]") + b"}"),
    "no rows": ("/invocations", b'{"dataframe_records":[]}'),
    "text for rows": ("/invocations", b'{"dataframe_records":"x"}'),
    "nested instances": ("/invocations", b'{"instances":' + b"[" * 60 + b"]" * 60 + b"}"),
    "columns that are rows": ("/invocations", b'{"dataframe_split":{"columns":{"a":1},"data":7}}'),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_of_odd_shapes_are_refused_quickly(s, name):
    path, body = BODIES[name]
    with Healthy(s):
        begin = time.monotonic()
        a = s.post(path, body)
        assert a.status in (400, 413), a
        assert len(a.body) < 2000
        assert time.monotonic() - begin < (20 if os.environ.get("SIBYL_SANITIZER") else 5)


def test_a_call_of_the_registry_with_a_long_body_outlives_its_answer(s):
    """The answer and the request stood in the same memory, which the answer gave back."""
    with Healthy(s):
        for n in (100, 3000, 5000, 200000):
            a = request(s.registry, "PATCH", REGISTRY + "registered-models/update", {"name": "iris", "description": "漢" * n})
            assert a.status in (200, 400), a
            a = request(s.registry, "POST", REGISTRY + "registered-models/create", {"name": "漢" * n})
            assert a.status in (200, 400), a
    request(s.registry, "DELETE", REGISTRY + "registered-models/delete", {"name": "漢" * 100})


# ---- paths ----

@pytest.mark.parametrize("path", ["..", "%2e%2e", "%252e%252e/x", "%25252e%25252e", "..%2f..%2fx", "..%5cx", "a%00b", "a%23b", "a%5cb", "%c0%ae%c0%ae", "%ff", "d/" * 80, "x" * 300])
def test_artifact_paths_that_leave_their_folder_are_refused(s, run, path):
    for method in ("GET", "PUT", "DELETE"):
        assert request(s.registry, method, f"{FILES}/0/{run}/artifacts/{path}", b"z" if method == "PUT" else None).status == 400
    for where in (f"{FILES}?path=0/{run}/artifacts/{path}", f"{REGISTRY}artifacts/list?run_id={run}&path={path}", f"/get-artifact?run_uuid={run}&path={path}"):
        assert request(s.registry, "GET", where).status == 400


def test_symlinks_among_the_artifacts_are_not_followed(s, run, tmp_path):
    base = f"0/{run}/artifacts"
    (tmp_path / "secret").write_text("TOPSECRET")
    upload(s, base + "/real.txt", b"fine")
    folder = s.data / "artifacts" / base
    links = {"file": tmp_path / "secret", "folder": tmp_path, "up": "../../..", "loop": "loop", "inside": "real.txt"}
    for name, target in links.items():
        os.symlink(target, folder / name)
    os.mkfifo(folder / "fifo")
    try:
        for path in ("file", "folder/secret", "up/VERSION", "loop", "inside", "fifo"):
            a = request(s.registry, "GET", f"{FILES}/{base}/{path}")
            assert a.status == 404 and b"TOPSECRET" not in a.body, (path, a)
        assert request(s.registry, "PUT", f"{FILES}/{base}/folder/new", b"z").status == 400
        request(s.registry, "DELETE", f"{FILES}/{base}/folder/secret")
        listed = request(s.registry, "GET", f"{FILES}?path={base}").json()["files"]
        assert [f["path"] for f in listed] == ["real.txt"]
    finally:
        for name in [*links, "fifo"]:
            (folder / name).unlink()
    assert (tmp_path / "secret").read_text() == "TOPSECRET" and sorted(os.listdir(tmp_path)) == ["secret"]


def test_sources_elsewhere_are_refused_also_with_a_prompts_tag(s, run):
    s.mlflow("POST", "registered-models/create", {"name": "elsewhere"})
    base = f"mlflow-artifacts:/0/{run}/artifacts"
    for source in ["/etc", "file:///etc", "mlflow-artifacts:/../../etc", base + "/../../x", base + "/%252e%252e", base + "#x", base + "?x=1", "mlflow-artifacts:\\..\\x", "runs:/x/../y"]:
        for tags in ([], [{"key": "mlflow.prompt.is_prompt", "value": "true"}]):
            a = request(s.registry, "POST", REGISTRY + "model-versions/create", {"name": "elsewhere", "source": source, "tags": tags})
            assert a.status in (400, 404), (source, a)
    s.mlflow("DELETE", "registered-models/delete", {"name": "elsewhere"})


# ---- names ----

NAMES = ["a b", "q'uote", 'q"uote', "'both\"", "b\\ack", ".hidden", "-x", "%41", "%2e%2e", "ünï 🎉", "漢" * 250, "x" * 256, "tab\tx", "nl\nts=1 level=error forged", "a{b}", "a?b", "a#b",
         "a&b=c", "a+b", " lead", "\u202eevil", "'; DROP TABLE x;--", "<script>"]


def test_models_of_any_name_are_served_and_written_safely(model_folder):
    """One name with both quotes ended every round of the watcher; a long one had no folder."""
    with Sibyl() as s:
        run = s.mlflow("POST", "runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]
        source = run["artifact_uri"] + "/model"
        for f in ("MLmodel", "model.pkl"):
            upload(s, source.removeprefix("mlflow-artifacts:/") + "/" + f, (model_folder / "forest" / f).read_bytes())
        for name in ["..", ".", "a/b", "a:b", "", "x" * 257, "nul\0x"]:
            assert request(s.registry, "POST", REGISTRY + "registered-models/create", {"name": name}).status == 400, name
        for name in NAMES:
            s.mlflow("POST", "registered-models/create", {"name": name})
            s.mlflow("POST", "model-versions/create", {"name": name, "source": source, "run_id": run["run_id"]})
        for name in NAMES:
            assert outcome(s, name).get("live"), s.model(name)
            a = s.post(f"/models/{quote(name, safe='')}/predict", ROW, headers={"X-User-Id": 'u" level=error', "X-Tag-A": "\\"})
            assert a.status == 200 and a.json()["model"] == name, (name, a)
        assert s.event(a.headers["X-Event-ID"])["model"] == NAMES[-1]
        check = subprocess.run(["promtool", "check", "metrics"], input=s.get("/metrics").body, capture_output=True)
        assert check.returncode == 0 and not check.stderr, check
        assert len(s.get("/openapi.json").json()["paths"]) >= len(NAMES)
        assert {m["name"] for m in request(s.dashboard, "GET", "/api/serving/health").json()["models"]} == set(NAMES)
        assert not [line for line in s.log().splitlines() if line.startswith("ts=1 ")]
        assert s.stop(30) == 0
        s.start()
        assert {m["name"] for m in s.get("/models").json()["models"] if m.get("live")} == set(NAMES)


# ---- versions ----

class Runs:
    """Executed by whoever unpickles it."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def hostile(model_folder, tmp_path):
    """name -> (file, bytes, what the failure says)"""
    good = (model_folder / "forest/model.pkl").read_bytes()
    text = (model_folder / "forest/MLmodel").read_text()
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("schema.json", b" " * (1 << 28))
    letters = "abcdefghijkl"
    aliases = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{y}: &{y} [{','.join(['*' + x] * 9)}]\n" for x, y in zip(letters, letters[1:]))
    cases = {f"cut at {n}": ("model.pkl", good[:n], "pickle") for n in (0, 1, 100, len(good) // 2, len(good) - 1)}
    cases |= {f"MLmodel cut at {n}": ("MLmodel", text.encode()[:n], "") for n in (0, 20, 60)}
    cases |= {
        "zip bomb": ("model.pkl", bomb.read_bytes(), ""), "half a zip": ("model.pkl", bomb.read_bytes()[:2000], ""),
        "aliases": ("MLmodel", aliases + text, "values"), "deep": ("MLmodel", "a: " + "[" * 100000 + "\n" + text, "deeper"),
        "escape": ("MLmodel", text.replace("model.pkl", "../../../etc/passwd"), "leaves"), "absolute": ("MLmodel", text.replace("model.pkl", "/etc/passwd"), "leaves"),
        "no flavors": ("MLmodel", "artifact_path: m\n", "flavors"), "flavors a string": ("MLmodel", "flavors: x\n", "flavors"),
        "signature a number": ("MLmodel", text.replace("signature:", "signature: 7\nx:"), "signature"), "a tag": ("MLmodel", text + f"x: !!python/object/apply:os.system ['touch {tmp_path}/canary']\n", "tag"),
        "twice": ("MLmodel", text + text, "duplicate"), "UTF-16": ("MLmodel", text.encode("utf-16"), "UTF-8"),
    }
    return {k: (f, d if isinstance(d, bytes) else d.encode(), says) for k, (f, d, says) in cases.items()}


def test_hostile_versions_are_refused_by_name_and_the_old_one_stays(s, model_folder, tmp_path):
    with Healthy(s):
        for name, (file, data, says) in hostile(model_folder, tmp_path).items():
            folder = tmp_path / name
            folder.mkdir()
            for f in ("MLmodel", "model.pkl"):
                (folder / f).write_bytes(data if f == file else (model_folder / "forest" / f).read_bytes())
            version = s.register("iris", folder, alias="production", wait=0)
            m = wait_for(name, 60, lambda v=version: (m := s.model("iris")).get("failed_version") == v and m)
            assert m["live"]["version"] == "1" and says in m["failure"], (name, m)
            # what is wished next is tried at once, whatever failed before
        s.alias("iris", "production", 1)
        wait_for("health after the alias is back", 10, lambda: "failure" not in s.model("iris"))
    assert not (tmp_path / "canary").exists()


def test_the_converter_runs_nothing_that_a_pickle_names(model_folder, tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    shutil.copy(model_folder / "forest/MLmodel", folder)
    (folder / "model.pkl").write_bytes(pickle.dumps(Runs(f"touch {tmp_path}/canary")))
    r = subprocess.run([SIBYL, "convert", folder, tmp_path / "image"], capture_output=True, text=True, timeout=60)
    said = json.loads(r.stdout)
    assert not said["native"] and "system" in said["reason"], said
    assert not (tmp_path / "canary").exists()


def test_without_workers_no_code_of_a_model_runs(model_folder, tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    shutil.copy(model_folder / "forest/MLmodel", folder)
    (folder / "model.pkl").write_bytes(pickle.dumps(Runs(f"touch {tmp_path}/canary")))
    with Sibyl("--worker-processes", "0") as s:
        s.register("iris", model_folder / "forest", alias="production")
        with Healthy(s):
            version = s.register("iris", folder, alias="production", wait=0)
            m = wait_for("the refusal", 60, lambda: (m := s.model("iris")).get("failed_version") == version and m)
            assert "system" in m["failure"] and "worker.processes" in m["failure"] and m["live"]["version"] == "1", m
    assert not (tmp_path / "canary").exists()


def test_versions_with_too_many_or_too_deep_files_are_refused(s, run, model_folder):
    made = s.data / "artifacts" / f"0/{run}/artifacts"
    for name, says in (("many", "10000 files"), ("deep", "deep")):
        folder = made / name
        folder.mkdir(parents=True)
        shutil.copy(model_folder / "forest/MLmodel", folder)
        if name == "many":
            for i in range(10001):
                (folder / f"f{i}").touch()
        else:
            (folder / "/".join("d" * 20)).mkdir(parents=True)
            (folder / "/".join("d" * 20) / "x").touch()
        s.mlflow("POST", "registered-models/create", {"name": name})
        s.mlflow("POST", "model-versions/create", {"name": name, "source": f"mlflow-artifacts:/0/{run}/artifacts/{name}", "run_id": run})
        m = outcome(s, name, 90)
        assert says in m["failure"], m
        s.mlflow("DELETE", "registered-models/delete", {"name": name})
        shutil.rmtree(folder)


# ---- the data folder ----

def test_a_second_writer_is_refused_with_the_holders_name(s):
    r = subprocess.run([SIBYL, "up", "--data", s.data], capture_output=True, text=True, env=s.env, timeout=30)
    assert r.returncode == 3 and f"process {s.process.pid}" in r.stderr and "--data" in r.stderr, r


@pytest.fixture(scope="module")
def stopped(model_folder, tmp_path_factory):
    """A data folder with one live model and an event."""
    folder = tmp_path_factory.mktemp("stopped")
    with Sibyl(folder=folder) as s:
        s.register("iris", model_folder / "forest", alias="production")
        event = s.post("/models/iris/predict", ROW).headers["X-Event-ID"]
        assert s.stop() == 0
    return folder, event


def copy_of(stopped, tmp_path):
    folder, event = stopped
    shutil.copytree(folder / "data", tmp_path / "data")
    live = tmp_path / "data/models/live.json"
    live.write_text(live.read_text().replace(str(folder), str(tmp_path)))
    return tmp_path / "data", event


DAMAGE = {"cut": lambda b: b[:len(b) // 2], "emptied": lambda b: b"", "garbage": lambda b: b"\0garbage\xff" * 50,
          "one bit": lambda b: b[:len(b) // 3] + bytes([b[len(b) // 3] ^ 0x40]) + b[len(b) // 3 + 1:]}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("what", ["live.json", "meta.json", "report.json", "model.img", "MLmodel"])
def test_damaged_files_of_a_model_are_made_anew(stopped, tmp_path, what, how):
    """A damaged meta.json or MLmodel kept the version from loading for ever."""
    data, event = copy_of(stopped, tmp_path)
    for p in (data / "models").rglob(what):
        p.write_bytes(DAMAGE[how](p.read_bytes()))
    with Sibyl(folder=tmp_path, wait=False) as s:
        a = wait_for("iris", 30, lambda: (a := s.post("/models/iris/predict", ROW)).status == 200 and a)
        assert a.json()["prediction"] == {"species": "setosa"}
        assert s.event(a.headers["X-Event-ID"])["artifact_sha256"] == s.event(event)["artifact_sha256"]
        assert s.stop() == 0


@pytest.mark.parametrize("what, how, says", [
    ("registry/mlflow.db", "garbage", "not a database"), ("registry/mlflow.db", "cut", "malformed"), ("registry/mlflow.db", "emptied", "backup"), ("VERSION", "garbage", "sibyl-data"),
])
def test_a_data_folder_that_cannot_be_used_is_refused_and_left_alone(stopped, tmp_path, what, how, says):
    """An emptied database started a new registry, and the watcher took down what was live."""
    data, _ = copy_of(stopped, tmp_path)
    p = data / what
    p.write_bytes(DAMAGE[how](p.read_bytes()))
    before = p.read_bytes()
    with Sibyl(folder=tmp_path, wait=False) as s:
        assert s.process.wait(30) == 1
        assert says in s.log() and what in s.log(), s.log()
    assert p.read_bytes() == before


def test_a_lost_database_is_not_replaced_by_an_empty_registry(stopped, tmp_path):
    data, _ = copy_of(stopped, tmp_path)
    for p in (data / "registry").iterdir():
        p.unlink()
    with Sibyl(folder=tmp_path, wait=False) as s:
        assert s.process.wait(30) == 1
        assert "backup" in s.log(), s.log()


def test_a_journal_without_its_segments_says_so_and_reuses_no_offset(stopped, tmp_path):
    data, _ = copy_of(stopped, tmp_path)
    segments = list((data / "journal/predictions").glob("*.log"))
    for p in segments:
        p.unlink()
    with Sibyl(folder=tmp_path) as s:
        assert "all segments are gone" in s.log()
        assert s.post("/models/iris/predict", ROW).status == 200
        fresh = list((data / "journal/predictions").glob("*.log"))
        assert len(fresh) == 1 and fresh[0].name > max(p.name for p in segments)


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_journal_is_kept_aside_and_served_around(stopped, tmp_path, how):
    data, event = copy_of(stopped, tmp_path)
    segment = next((data / "journal/predictions").glob("*.log"))
    whole = segment.read_bytes()
    used = len(whole.rstrip(b"\0"))
    segment.write_bytes(DAMAGE[how](whole[:used]) + bytes(len(whole) - used))
    with Sibyl(folder=tmp_path) as s:
        a = s.post("/models/iris/predict", ROW)
        assert a.status == 200 and s.event(a.headers["X-Event-ID"])["status"] == "ok"
        # whoever reads that far finds it: recovery, or (before a clean checkpoint) the live page's feed
        wait_for("the damage in the log", 10, lambda: "level=error module=journal" in s.log())
        r = s.cli("events", "show", event, check=False)
        assert r.returncode == 0 or "no event" in r.stderr
