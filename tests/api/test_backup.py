"""`sibyl backup` of a platform in use, `sibyl restore`: what was acknowledged is there, whole or not at all."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest

from instance import SLOW
from sibyl import SIBYL, Sibyl, request

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def command(*args):
    """A command that may fail; its CompletedProcess."""
    return subprocess.run([str(SIBYL), *map(str, args)], capture_output=True, text=True, timeout=120 * SLOW)


def backup(data, to, *args):
    r = command("backup", to, "--data", data, "--json", *args)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


class Load:
    """Predictions from a few threads until it is left; `acked` are the ids that were answered."""

    def __init__(self, platform, threads=2):
        self.platform, self.acked, self.failed, self.stopping = platform, [], [], False
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while not self.stopping:
            answer = self.platform.post("/models/iris/predict", ROW)
            if answer.status == 200:
                self.acked.append(answer.headers["X-Event-ID"])
            else:
                self.failed.append(answer)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        for t in self.threads:
            t.join()


def events(data):
    """Ids of all events in a data folder's journal."""
    r = command("events", "tail", "-n", "1000000", "--json", "--data", data)
    assert r.returncode == 0, r.stderr
    return [json.loads(line)["event_id"] for line in r.stdout.splitlines()]


def files(folder):
    """Relative path -> digest of every file below."""
    folder = pathlib.Path(folder)
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory, model_folder):
    """A data folder at rest with a live model and 50 events."""
    folder = tmp_path_factory.mktemp("small")
    with Sibyl(folder=folder) as s:
        s.register("iris", model_folder / "forest", alias="production")
        for _ in range(50):
            assert s.post("/models/iris/predict", ROW).status == 200
    return folder / "data"


@pytest.fixture(scope="module")
def saved(small, tmp_path_factory):
    """A backup of it on which tests work with copies."""
    to = tmp_path_factory.mktemp("saved") / "backup"
    backup(small, to)
    return to


# ---- in use ----


@pytest.mark.san
def test_a_backup_under_load_restores_to_all_that_was_acknowledged_before_it(tmp_path, model_folder):
    (tmp_path / "a").mkdir()
    with Sibyl(folder=tmp_path / "a") as s:
        s.register("iris", model_folder / "forest", alias="production")
        with Load(s) as load:
            while len(load.acked) < 200:
                time.sleep(0.01)
            before = list(load.acked)
            made = backup(s.data, tmp_path / "backup")
            during = len(load.acked)
        assert not load.failed
        assert during >= len(before)
        sent = set(load.acked)
        live = s.model("iris")["live"]
        artifacts = files(s.data / "artifacts")
    assert made["next_offset"] >= len(before)

    (tmp_path / "b").mkdir()
    r = command("restore", tmp_path / "backup", "--data", tmp_path / "b/data")
    assert r.returncode == 0, r.stderr
    kept = events(tmp_path / "b/data")
    assert len(kept) == len(set(kept)) == made["next_offset"]
    assert set(before) <= set(kept) <= sent
    assert files(tmp_path / "b/data/artifacts") == artifacts

    with Sibyl(folder=tmp_path / "b") as s:
        again = s.wait_live("iris", live["version"])["live"]
        assert again["artifact_sha256"] == live["artifact_sha256"] and again["backend"] == "native"
        first = s.post("/models/iris/predict", ROW)
        assert first.status == 200
        assert s.mlflow("GET", "registered-models/get?name=iris")["registered_model"]["aliases"] == [{"alias": "production", "version": "1"}]
        assert "damaged" not in s.log() and "quarantine" not in s.log()
    assert events(tmp_path / "b/data") == kept + [first.headers["X-Event-ID"]]


def test_every_version_that_the_backup_knows_has_its_artifacts(tmp_path, model_folder):
    """Versions are registered all the time while backups are made."""
    (tmp_path / "a").mkdir()
    stop = threading.Event()
    with Sibyl("--worker-processes=0", folder=tmp_path / "a") as s:
        s.register("iris", model_folder / "forest")

        def register():
            while not stop.wait(0.05):
                s.register("iris", model_folder / "forest", wait=0)

        thread = threading.Thread(target=register)
        thread.start()
        try:
            for i in range(2):
                backup(s.data, tmp_path / f"backup-{i}")
        finally:
            stop.set()
            thread.join()
        whole = files(model_folder / "forest")
    known = []
    for i in range(2):
        (tmp_path / f"r{i}").mkdir()
        assert command("restore", tmp_path / f"backup-{i}", "--data", tmp_path / f"r{i}/data").returncode == 0
        with Sibyl("--worker-processes=0", folder=tmp_path / f"r{i}") as s:
            versions = s.mlflow("GET", "model-versions/search?max_results=1000")["model_versions"]
            known.append(len(versions))
            for v in versions:
                path = v["source"].removeprefix("mlflow-artifacts:/")
                assert files(s.data / "artifacts" / path) == whole, v["version"]
    assert known == sorted(known) and known[-1] >= 1


def test_artifacts_of_the_backup_stay_when_the_original_is_replaced_or_removed(tmp_path, small):
    data = tmp_path / "data"
    shutil.copytree(small, data)
    made = backup(data, tmp_path / "backup")
    assert made["linked"] == len(files(data / "artifacts")) > 0
    shutil.rmtree(data)
    assert command("backup", tmp_path / "backup", "--verify").returncode == 0


def test_the_settings_file_goes_with_it(tmp_path, small):
    (tmp_path / "sibyl.yaml").write_text("log:\n  level: debug\n")
    made = backup(small, tmp_path / "backup", "--config", tmp_path / "sibyl.yaml")
    assert made["config"] and (tmp_path / "backup/config.yaml").read_text() == "log:\n  level: debug\n"
    r = command("restore", tmp_path / "backup", "--data", tmp_path / "data")
    assert r.returncode == 0 and f"--config {tmp_path}/backup/config.yaml" in r.stdout
    assert not (tmp_path / "data/config.yaml").exists()


def test_a_rate_is_kept(tmp_path, small):
    size = backup(small, tmp_path / "fast")["bytes"]
    began = time.monotonic()
    backup(small, tmp_path / "slow", "--rate", "2")
    assert time.monotonic() - began >= 0.9 * size / 2e6


# ---- damage ----


def listed(saved):
    return [json.loads(line)["path"] for line in (saved / "MANIFEST").read_text().splitlines()[1:-2]]


def assert_refused(folder, tmp_path, word="damaged"):
    target = tmp_path / "restored"
    r = command("restore", folder, "--data", target)
    assert r.returncode == 1 and word in r.stderr, r.stderr
    assert not target.exists() and not (tmp_path / "restored.restoring").exists()
    assert command("backup", folder, "--verify").returncode == 1


def test_a_flipped_byte_anywhere_is_refused_before_anything_is_touched(tmp_path, saved):
    rng = random.Random(4)
    for path in ["MANIFEST", *listed(saved)]:
        copy = tmp_path / "copy"
        shutil.copytree(saved, copy)
        file = copy / path
        data = bytearray(file.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
        r = command("restore", copy, "--data", tmp_path / "restored")
        assert r.returncode == 1 and r.stderr.startswith("sibyl: "), (path, r.stderr)
        assert path.rsplit("/", 1)[-1] in r.stderr or "format" in r.stderr, r.stderr
        assert os.listdir(tmp_path) == ["copy"], path
        shutil.rmtree(copy)


@pytest.mark.parametrize("what", ["cut", "longer", "missing", "folder"])
def test_other_damage_is_refused(tmp_path, saved, what):
    copy = tmp_path / "copy"
    shutil.copytree(saved, copy)
    file = copy / "data/registry/mlflow.db"
    size = file.stat().st_size
    if what == "cut":
        os.truncate(file, size - 1)
    elif what == "longer":
        os.truncate(file, size + 1)
    else:
        file.unlink()
        if what == "folder":
            file.mkdir()
    assert_refused(copy, tmp_path)


def test_unknown_formats_are_refused_by_their_number(tmp_path, saved):
    copy = tmp_path / "copy"
    shutil.copytree(saved, copy)
    manifest = copy / "MANIFEST"
    text = manifest.read_text()
    manifest.write_text(text.replace('"version":1', '"version":7', 1))
    assert_refused(copy, tmp_path, "format 7")
    body = text.splitlines(keepends=True)
    body[0] = body[0].replace('"data_version":1', '"data_version":9')
    end = json.loads(body[-1])
    end["sha256"] = hashlib.sha256("".join(body[:-1]).encode()).hexdigest()
    manifest.write_text("".join(body[:-1]) + json.dumps(end) + "\n")
    assert_refused(copy, tmp_path, "format 9")


def test_a_backup_cannot_write_outside_of_the_folder(tmp_path, saved):
    copy = tmp_path / "copy"
    shutil.copytree(saved, copy)
    body = (copy / "MANIFEST").read_text().splitlines(keepends=True)
    (tmp_path / "evil").write_text("x")
    line = {"path": "data/../../evil", "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    body.insert(1, json.dumps(line) + "\n")
    end = json.loads(body[-1])
    end.update(files=end["files"] + 1, bytes=end["bytes"] + 1, sha256=hashlib.sha256("".join(body[:-1]).encode()).hexdigest())
    (copy / "MANIFEST").write_text("".join(body[:-1]) + json.dumps(end) + "\n")
    assert_refused(copy, tmp_path, "line 2 of MANIFEST")


# ---- what is in the way ----


def test_a_folder_in_use_is_not_restored_into(served, saved):
    r = command("restore", saved, "--data", served.data)
    assert r.returncode == 3 and "in use" in r.stderr and served.get("/ready").status == 200


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, saved):
    (tmp_path / "thesis.txt").write_text("mine")
    r = command("restore", saved, "--data", tmp_path)
    assert r.returncode == 1 and "not empty" in r.stderr and os.listdir(tmp_path) == ["thesis.txt"]


def test_a_backup_does_not_replace_another(tmp_path, small, saved):
    r = command("backup", saved, "--data", small)
    assert r.returncode == 1 and "there already" in r.stderr
    assert command("backup", saved, "--verify").returncode == 0


def test_what_is_no_backup_and_no_data_folder_is_said_so(tmp_path):
    r = command("restore", tmp_path, "--data", tmp_path / "x")
    assert r.returncode == 1 and "MANIFEST" in r.stderr
    r = command("backup", tmp_path / "b", "--data", tmp_path)
    assert r.returncode == 1 and "--data" in r.stderr and not (tmp_path / "b").exists()


# ---- killed at any moment ----


@pytest.fixture(scope="module")
def wide(small, tmp_path_factory):
    """A data folder whose backup takes some time: many artifacts."""
    data = tmp_path_factory.mktemp("wide") / "data"
    shutil.copytree(small, data)
    for i in range(40):
        folder = data / f"artifacts/0/run{i}/artifacts"
        folder.mkdir(parents=True)
        (folder / "model.bin").write_bytes(bytes([i]) * 20000)
    return data


def killed_at_random(arguments, result, whole):
    """Kills the command at moments spread over its run; after each the result is whole or not there. How often it
    was still at work."""
    rng = random.Random(7)
    began = time.monotonic()
    assert command(*arguments).returncode == 0
    takes = time.monotonic() - began
    early = 0
    for _ in range(12):
        shutil.rmtree(result, ignore_errors=True)
        p = subprocess.Popen([str(SIBYL), *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, takes))
        p.send_signal(signal.SIGKILL)
        early += p.wait() == -signal.SIGKILL
        if result.exists():
            whole()
    shutil.rmtree(result, ignore_errors=True)
    r = command(*arguments)
    assert r.returncode == 0, r.stderr  # what the killed ones left is in nobody's way
    whole()
    return early


def test_a_killed_backup_leaves_no_half_one(tmp_path, wide):
    to = tmp_path / "backup"

    def whole():
        assert command("backup", to, "--verify").returncode == 0

    assert killed_at_random(["backup", to, "--data", wide], to, whole) >= 3
    assert os.listdir(tmp_path) == ["backup"]


def test_a_killed_restore_leaves_no_half_folder(tmp_path, wide):
    saved, to = tmp_path / "saved", tmp_path / "data"
    backup(wide, saved)
    want = {p: d for p, d in files(saved / "data").items()}

    def whole():
        got = files(to)
        got.pop("lock")
        assert got == want

    assert killed_at_random(["restore", saved, "--data", to], to, whole) >= 3
    assert sorted(os.listdir(tmp_path)) == ["data", "saved"]


def test_two_backups_of_one_name_do_not_mix(tmp_path, wide):
    to = tmp_path / "backup"
    runs = [subprocess.Popen([str(SIBYL), "backup", str(to), "--data", str(wide)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    codes = sorted((p.wait(), p.stderr.read()) for p in runs)
    assert codes[0][0] == 0 and all(code in (1, 3) for code, _ in codes[1:]), codes
    assert command("backup", to, "--verify").returncode == 0
    assert os.listdir(tmp_path) == ["backup"]


def test_a_restored_folder_is_served_by_the_registry_as_before(tmp_path, saved):
    (tmp_path / "p").mkdir()
    assert command("restore", saved, "--data", tmp_path / "p/data").returncode == 0
    with Sibyl(folder=tmp_path / "p") as s:
        s.wait_live("iris", 1)
        run = s.mlflow("GET", "model-versions/get?name=iris&version=1")["model_version"]["run_id"]
        listing = s.mlflow("GET", f"artifacts/list?run_id={run}&path=model")["files"]
        assert any(f["path"] == "model/MLmodel" for f in listing)
        got = request(s.registry, "GET", f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model/MLmodel")
        assert got.status == 200 and b"flavors" in got.body
