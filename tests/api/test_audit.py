"""Who did what is written down; answered = journalled = indexed; sealed bytes that change are seen."""
import base64
import json
import shutil

import pytest
from sibyl import Sibyl, request, wait_for

ROW = {"sepal_length": 5.1, "sepal_width": 3.1, "petal_length": 1.2, "petal_width": 0.2}


def entries(s, want=None):
    """The documents of topic audit, read from the journal's bytes (its active segment is not compressed)."""
    found = []
    for log in sorted((s.data / "journal/audit").glob("*.log")):
        text = log.read_bytes().decode(errors="replace")
        at = text.find('{"@timestamp"')
        while at >= 0:
            doc, n = json.JSONDecoder().raw_decode(text[at:])
            found.append(doc)
            at = text.find('{"@timestamp"', at + n)
    found = [e for e in found if not e["kind"].startswith("alert.")]
    return found if want is None or len(found) >= want else None


def audit(s, *args):
    r = s.cli("audit", "--json", *args, check=False)
    assert r.returncode in (0, 1) and r.stdout, r.stderr
    doc = json.loads(r.stdout)
    assert (r.returncode == 0) == (doc["equal"] if isinstance(doc, dict) else all(t["ok"] for t in doc))
    return doc


@pytest.mark.san
def test_moves_of_models_are_written_down(fresh, model_folder):
    s = fresh
    one = s.register("iris", model_folder / "always-a", alias="production")
    two = s.register("iris", model_folder / "always-b", wait=0)
    basic = {"Authorization": "Basic " + base64.b64encode(b"ada:secret").decode()}
    s.mlflow("POST", "registered-models/alias", {"name": "iris", "alias": "production", "version": two}, headers={"X-User-Id": "grace"})
    s.mlflow("POST", "model-versions/transition-stage", {"name": "iris", "version": one, "stage": "Production", "archive_existing_versions": True}, headers=basic)
    s.mlflow("DELETE", "registered-models/alias", {"name": "iris", "alias": "production"}, headers=basic)
    s.mlflow("DELETE", "registered-models/alias", {"name": "iris", "alias": "nobody"})
    s.mlflow("POST", "registered-models/rename", {"name": "iris", "new_name": "iris \"2\"\n"})
    s.mlflow("DELETE", "model-versions/delete", {"name": "iris \"2\"\n", "version": two})
    s.mlflow("DELETE", "registered-models/delete", {"name": "iris \"2\"\n"})
    bad = request(s.registry, "POST", "/api/2.0/mlflow/registered-models/alias", {"name": "none", "alias": "x", "version": "1"})
    assert bad.status == 404
    found = wait_for("entries", 10, lambda: entries(s, 9))
    told = [(e["kind"], e.get("actor"), e.get("from"), e.get("to")) for e in found]
    assert told == [("version.create", None, None, "1"), ("alias.set", None, None, "1"), ("version.create", None, None, "2"),
                    ("alias.set", "grace", "1", "2"), ("version.stage", "ada", "None", "Production"), ("alias.delete", "ada", "2", None),
                    ("model.rename", None, "iris", "iris \"2\"\n"), ("version.delete", None, "2", None), ("model.delete", None, None, None)], told
    assert found[3]["object"] == "iris" and found[3]["detail"] == {"alias": "production", "version": "2"}
    assert found[4]["detail"] == {"version": "1", "archived_others": True}
    assert b"secret" not in b"".join(f.read_bytes() for f in (s.data / "journal").rglob("*") if f.is_file())


def test_books_are_equal_also_after_the_index_was_deleted(fresh, model_folder):
    s = fresh
    s.register("iris", model_folder / "forest", alias="production")
    for _ in range(50):
        assert s.post("/models/iris/predict", [ROW, ROW]).status == 200
    assert s.post("/models/iris/predict", {"sepal_length": "x"}).status == 400
    assert s.post("/models/nobody/predict", ROW).status == 404
    doc = audit(s)
    assert (doc["equal"], doc["answered"], doc["journalled"], doc["indexed"]) == (True, 102, 102, 102)
    assert {(g["route"], g["model"], g["model_version"]): g["answered"] for g in doc["groups"]} == {("iris", "iris", "1"): 101, ("nobody", "-", "-"): 1}
    s.kill()
    shutil.rmtree(s.data / "index")
    s.start()
    assert audit(s)["equal"] and audit(s)["indexed"] == 102
    assert s.stop() == 0
    r = s.cli("audit", check=False)
    assert r.returncode == 1 and "--journal-only" in r.stderr
    assert audit(s, "--journal-only")["answered"] == 102


def test_changed_bytes_are_named(model_folder, tmp_path):
    with Sibyl("--journal-segment-size", "1MiB", folder=tmp_path) as s:
        s.register("iris", model_folder / "forest", alias="production")
        while len(list((s.data / "journal/predictions").glob("*.idx"))) < 3:
            assert s.post("/models/iris/predict", [ROW] * 500).status == 200
        chained = wait_for("the chain", 20, lambda: next((t for t in audit(s, "--verify") if t["topic"] == "predictions" and t["chained"] >= 2), None))
        assert chained["ok"] and len(chained["link"]) == 64
        victim = sorted((s.data / "journal/predictions").glob("*.log"))[1]
        with open(victim, "r+b") as f:
            f.seek(500)
            byte = f.read(1)
            f.seek(500)
            f.write(bytes([byte[0] ^ 1]))
        broken = next(t for t in audit(s, "--verify") if t["topic"] == "predictions")
        assert not broken["ok"] and broken["differ"] == 1 and broken["first_offset"] == int(victim.stem)
        assert victim.stem in broken["why"]
        table = s.cli("audit", "--verify", check=False)
        assert table.returncode == 1 and victim.stem in table.stdout
