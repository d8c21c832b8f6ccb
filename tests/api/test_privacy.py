"""What is private is never on disk: neither in the journal nor in the index, errors or logs."""
import hashlib
import hmac
import json
import os

import pytest
from instance import run
from sibyl import Sibyl, request, wait_for

KEY = "a key of enough bytes"
ROW = {"sepal_length": 5.1, "sepal_width": 3.1, "petal_length": 1.2, "petal_width": 0.2}


def on_disk(s, *needles):
    """Which needles are in any byte below DATA or in the log (the registry's files are the user's own)."""
    found = set()
    for f in [p for p in s.data.rglob("*") if p.is_file() and "artifacts" not in p.parts and "models" not in p.parts] + [s.folder / "log"]:
        data = f.read_bytes()
        found |= {n for n in needles if n.encode() in data}
    return found


def tag(s, name, value, version=None):
    if version:
        s.mlflow("POST", "model-versions/set-tag", {"name": name, "version": version, "key": "sibyl.privacy", "value": value})
    else:
        s.mlflow("POST", "registered-models/set-tag", {"name": name, "key": "sibyl.privacy", "value": value})


def inputs(s, answer):
    return s.event(answer.headers["X-Event-ID"]).get("input")


@pytest.fixture
def private(model_folder, tmp_path):
    """The route hides two features by settings; the tag of the model hides a third."""
    (tmp_path / "key").write_text(KEY + "\n")
    rules = json.dumps({"iris": {"privacy": {"sepal_length": "drop", "sepal_width": "hmac"}}})
    with Sibyl(f"--routes={rules}", f"--privacy-key-file={tmp_path / 'key'}", "--journal-segment-size=1MiB", folder=tmp_path) as s:
        s.mlflow("POST", "registered-models/create", {"name": "iris"})
        tag(s, "iris", "petal_length=mask,sepal_length=keep")
        s.register("iris", model_folder / "forest", alias="production")
        yield s


@pytest.mark.san
def test_no_dialect_leaves_a_private_value(private):
    s = private
    drop, hidden, mask = 7411.518273, 5211.409131, 9311.770217
    row = {"sepal_length": drop, "sepal_width": hidden, "petal_length": mask, "petal_width": 0.25}
    table = ",".join(row) + "\n" + ",".join(str(v) for v in row.values()) + "\n"
    answers = [
        s.post("/models/iris/predict", row),
        s.post("/models/iris/predict", [row] * 3, headers={"Idempotency-Key": '"one"', "X-Tag-a": "b"}),
        s.post("/models/iris/predict", table, headers={"Content-Type": "text/csv"}),
        s.post("/models/iris/invocations", {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}),
        s.post("/v1/models/iris:predict", {"instances": [row]}),
        s.post("/v2/models/iris/infer", {"inputs": [{"name": k, "shape": [1, 1], "datatype": "FP64", "data": [v]} for k, v in row.items()]}),
    ]
    assert [a.status for a in answers] == [200] * len(answers), answers
    digest = hmac.new(KEY.encode(), str(hidden).encode(), hashlib.sha256).hexdigest()[:32]
    for a in answers:
        assert inputs(s, a) == {"sepal_width": "hmac:" + digest, "petal_length": None, "petal_width": 0.25}
    # errors quote what was sent; the client may see it, the journal may not
    quoted = "planted-4711-in-the-body"
    bad = [s.post("/models/iris/predict", {**row, name: quoted}) for name in row]
    bad.append(s.post("/models/iris/predict", '{"sepal_length": ' + quoted + "}"))
    bad.append(s.post("/models/iris/predict", {"sepal_length": [quoted], quoted: quoted}))
    assert all(b.status == 400 for b in bad)
    assert s.event(bad[0].headers["X-Event-ID"])["error"] == "withheld: the model has private features"
    wait_for("the index", 20, lambda: all(i["lag"] == 0 for i in request(s.dashboard, "GET", "/api/indexes").json()["indexes"]))
    needles = [str(drop), str(hidden), str(mask), quoted]
    assert on_disk(s, *needles) == set()
    assert s.stop() == 0
    assert on_disk(s, *needles, KEY) == set()
    assert on_disk(s, digest) == {digest}  # the look itself finds what is there


def test_what_was_private_stays_so_without_the_registry(private):
    s = private
    hidden = 6611.300117
    live = s.data / "models/live.json"
    wait_for("live.json", 20, lambda: live.exists() and "hmac" in live.read_text())
    s.kill()
    s.args = (*s.args, "--registry-url=http://127.0.0.1:9")
    s.start(wait=False)
    wait_for("serving", 30, lambda: request(s.serving, "GET", "/ready").status == 200)
    answer = s.post("/models/iris/predict", {**ROW, "sepal_length": hidden, "petal_length": hidden})
    assert answer.status == 200 and set(inputs(s, answer)) == {"sepal_width", "petal_length", "petal_width"}
    assert on_disk(s, str(hidden)) == set()


def test_rules_that_do_not_fit_refuse_the_version(fresh, model_folder):
    s = fresh
    s.register("iris", model_folder / "forest", alias="production")
    answer = s.post("/models/iris/predict", ROW)
    assert inputs(s, answer) == ROW
    for rules, why in [("petal_width=hide", '"hide" of feature "petal_width" is not keep, drop, mask or hmac'), ("petal=drop", 'the model has no feature "petal"'),
                       ('{"petal_width": 1}', 'feature "petal_width" has no action'), ("petal_width=hmac", "privacy.key_file names no key")]:
        tag(s, "iris", rules)
        wait_for(rules, 20, lambda: why in (s.model("iris").get("failure") or ""))
        assert s.post("/models/iris/predict", ROW).status == 200  # what was live stays
    tag(s, "iris", '{"petal_width": "drop", "sepal_width": "keep"}')
    wait_for("the rules", 20, lambda: "petal_width" not in inputs(s, s.post("/models/iris/predict", ROW)))
    assert s.model("iris").get("failure") is None


def test_a_version_has_rules_of_its_own(fresh, model_folder):
    s = fresh
    s.register("iris", model_folder / "forest", alias="production")
    version = s.register("iris", model_folder / "logistic", wait=0)
    tag(s, "iris", "sepal_width=mask,petal_width=drop", version)
    s.alias("iris", "production", version)
    s.wait_live("iris", version)
    assert inputs(s, s.post("/models/iris/predict", ROW)) == {"sepal_length": 5.1, "sepal_width": None, "petal_length": 1.2}


def test_a_key_that_is_none_stops_the_start(tmp_path):
    (tmp_path / "key").write_text("short\n")
    for name, why in [("key", "at least 16 bytes"), ("nowhere", "nowhere")]:
        r = run("serving", os.getpid(), f"--data={tmp_path / 'data'}", f"--privacy-key-file={tmp_path / name}", "--serving-listen=127.0.0.1:0")
        assert r.returncode != 0 and why in r.stderr, r.stderr
