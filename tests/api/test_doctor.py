"""`sibyl doctor`: each thing that can be wrong is broken here, and the doctor has to find it."""

import json
import os
import re
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import time

import pytest

from instance import SLOW, clean_environment
from sibyl import PYTHON, SIBYL, Sibyl, free_port, wait_for

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
FAST = ["--worker-processes=0"]  # without Python, whose mlflow takes seconds to import
FREE = ["--serving-listen=127.0.0.1:0", "--registry-listen=127.0.0.1:0", "--dashboard-listen=127.0.0.1:0", "--search-listen=127.0.0.1:0"]


def doctor(*args, before=(), **kw):
    """Findings by check, and the exit code. before: a command that the doctor is run by."""
    r = subprocess.run([*before, str(SIBYL), "doctor", "--json", *map(str, args)], capture_output=True, text=True,
                       timeout=90 * SLOW, **{"env": clean_environment(), **kw})
    assert r.stdout, r.stderr
    doc = json.loads(r.stdout)
    found = {c["check"]: c for c in doc["checks"]}
    assert doc["broken"] == sum(c["state"] == "broken" for c in doc["checks"])
    assert r.returncode == (1 if doc["broken"] else 0)
    for c in doc["checks"]:
        assert ("next" in c) == (c["state"] != "ok") and c["found"] and c["meaning"]
    return found


def assert_found(found, check, state, *words):
    c = found[check]
    assert c["state"] == state, c
    for word in words:
        assert str(word) in c["found"], (word, c["found"])
    others = {name: c["found"] for name, c in found.items() if c["state"] == "broken" and name != check}
    return others


def only(found, check, *words, state="broken"):
    """This is wrong, and nothing else is."""
    others = assert_found(found, check, state, *words)
    assert not others


@pytest.fixture(scope="module")
def kept(tmp_path_factory, model_folder):
    """A data folder at rest."""
    folder = tmp_path_factory.mktemp("kept")
    with Sibyl(*FAST, folder=folder) as s:
        s.register("iris", model_folder / "forest", alias="production")
        for _ in range(3):
            assert s.post("/models/iris/predict", ROW).status == 200
    return folder / "data"


@pytest.fixture
def data(kept, tmp_path):
    """A copy of it to break."""
    shutil.copytree(kept, tmp_path / "data")
    return tmp_path / "data"


# ---- nothing is wrong ----


@pytest.mark.san
def test_a_running_platform_is_well(served):
    found = doctor("--data", served.data, "--port-offset", served.offset, *FAST)
    assert not [c for c in found.values() if c["state"] == "broken"]
    assert str(served.process.pid) in found["lock"]["found"]
    for check in ("serving", "registry API", "dashboard"):
        assert "answers 200" in found[check]["found"]
    assert "healthy" in found["serving"]["found"] and "registry connected" in found["serving"]["found"]
    for port in ("serving", "registry", "dashboard", "search"):
        assert f":{getattr(served, port)}" in found[f"port of {port}"]["found"]
    assert re.match(r"predictions: \d+ documents.*metrics: \d+ documents.*audit: \d+ documents", found["indexes"]["found"])
    assert served.get("/ready").status == 200


def test_a_folder_at_rest_is_well_and_left_as_it_was(data):
    before = sorted((p, p.stat().st_mtime_ns) for p in data.rglob("*") if p.is_file() and not p.name.endswith(("-shm", "-wal")))
    found = doctor("--data", data, *FAST, *FREE)
    assert not [c for c in found.values() if c["state"] == "broken"]
    assert "offsets 0 to 3" in found["journal"]["found"] and "every page" in found["registry"]["found"]
    assert found["serving"]["found"] == "not running"
    assert "iris" not in found["model packages"]["found"]
    after = sorted((p, p.stat().st_mtime_ns) for p in data.rglob("*") if p.is_file() and not p.name.endswith(("-shm", "-wal")))
    assert before == after


def test_before_the_first_start_all_is_well_with_the_real_interpreter(tmp_path):
    found = doctor("--data", tmp_path / "new", *FREE)
    assert not [c for c in found.values() if c["state"] == "broken"]
    assert "not there yet" in found["data folder"]["found"] and not (tmp_path / "new").exists()
    assert "with mlflow 3." in found["python"]["found"] and PYTHON in found["python"]["found"]
    assert os.listdir(tmp_path) == []


def test_as_text_a_line_each_and_what_to_do_next(tmp_path):
    r = subprocess.run([str(SIBYL), "doctor", "--data", str(tmp_path), "--home", str(tmp_path), *FAST, *FREE],
                       capture_output=True, text=True, timeout=60 * SLOW, env=clean_environment())
    assert r.returncode == 1
    assert "✓ data folder: " in r.stdout and "✗ program files: " in r.stdout
    assert "    next: name the folder that holds them with --home." in r.stdout
    assert "broken, " in r.stdout.splitlines()[-1]
    listed = subprocess.run([str(SIBYL), "doctor", "--list"], capture_output=True, text=True, timeout=20 * SLOW).stdout
    assert listed.count("    next: ") == sum(line.startswith(("✓ ", "! ", "✗ ")) for line in r.stdout.splitlines())


# ---- settings ----


@pytest.mark.parametrize("yaml,word", [("serving:\n  listn: x\n", "listn"), ("a: [\n", "line"), ("log:\n  level: loud\n", "loud")])
def test_a_wrong_settings_file(tmp_path, yaml, word):
    (tmp_path / "s.yaml").write_text(yaml)
    only(doctor("--config", tmp_path / "s.yaml", "--data", tmp_path / "d", *FREE, *FAST), "settings", word)


def test_a_missing_settings_file(tmp_path):
    found = doctor("--data", tmp_path / "d", *FAST, *FREE, env=clean_environment(SIBYL_CONFIG=str(tmp_path / "none.yaml")))
    assert_found(found, "settings", "broken", "none.yaml")


# ---- data folder ----


def test_a_folder_of_somebody_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    only(doctor("--data", tmp_path, *FAST, *FREE), "data folder", "thesis.txt")


def test_a_folder_of_a_later_format(data):
    (data / "VERSION").write_text("sibyl-data 99\n")
    only(doctor("--data", data, *FAST, *FREE), "data folder", "format 99")


def test_a_folder_that_cannot_be_written(kept):
    """As another user, with a copy of the program that this user can reach."""
    place = pathlib.Path(tempfile.mkdtemp())
    try:
        place.chmod(0o755)
        shutil.copy(SIBYL, place / "sibyl")
        shutil.copytree(kept, place / "data")
        (place / "data").chmod(0o555)
        as_other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        r = subprocess.run([str(place / "sibyl"), "doctor", "--json", "--data", str(place / "data"), *FAST, *FREE], capture_output=True,
                           text=True, cwd="/", timeout=60 * SLOW, env=clean_environment(HOME="/"), **as_other)
        found = {c["check"]: c for c in json.loads(r.stdout)["checks"]}
        assert r.returncode == 1
        assert_found(found, "permissions", "broken", "may not write", place / "data")
    finally:
        (place / "data").chmod(0o755)
        shutil.rmtree(place)


def test_files_of_another_user(data):
    """Files can only be given away by root, which is what makes such folders: sudo, once."""
    if os.geteuid() != 0:
        return
    os.chown(data / "registry/mlflow.db", 65534, 65534)
    only(doctor("--data", data, *FAST, *FREE), "permissions", "mlflow.db", "65534", state="warning")


def mounted(tmp_path, options, *extra):
    """A command prefix under which tmp_path/disk is a small file system of its own."""
    (tmp_path / "disk").mkdir()
    mount = f"mount -t tmpfs -o {options} none {tmp_path}/disk && " + "".join(e + " && " for e in extra) + 'exec "$@"'
    return [*(["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]), "sh", "-c", mount, "sh"]


def test_a_disk_in_memory(tmp_path):
    found = doctor("--data", tmp_path / "disk/data", *FAST, *FREE, before=mounted(tmp_path, "size=2g"))
    only(found, "file system", "tmpfs", state="warning")


def test_a_full_disk(tmp_path):
    found = doctor("--data", tmp_path / "disk/data", *FAST, *FREE, before=mounted(tmp_path, "size=20m"))
    only(found, "free space", "MB free")


def test_a_disk_without_room_for_files(tmp_path):
    found = doctor("--data", tmp_path / "disk/data", *FAST, *FREE, before=mounted(tmp_path, "size=2g,nr_inodes=50"))
    only(found, "free space", "more files")


def test_a_disk_that_is_read_only(tmp_path):
    found = doctor("--data", tmp_path / "disk/data", *FAST, *FREE, before=mounted(tmp_path, "ro,size=2g"))
    assert set(assert_found(found, "file system", "broken", "read-only")) <= {"permissions"}


def strace(*rules):
    return ["strace", "-f", "-qq", "-o", "/dev/null", *[a for r in rules for a in ("-e", "inject=" + r)]]


def test_a_disk_that_is_slow_to_sync(tmp_path):
    found = doctor("--data", tmp_path, *FAST, *FREE, before=strace("fdatasync:delay_exit=15000"))
    only(found, "disk speed", "a sync takes", state="warning")


def test_a_disk_that_cannot_sync(tmp_path):
    found = doctor("--data", tmp_path, *FAST, *FREE, before=strace("fdatasync:error=EIO"))
    only(found, "disk speed", "nput/output error")
    assert os.listdir(tmp_path) == []


# ---- journal, registry, clock ----


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def test_ranges_in_quarantine(data):
    (data / "journal/predictions/quarantine").mkdir()
    (data / "journal/predictions/quarantine/0-0-1.bad").write_text("x")
    only(doctor("--data", data, *FAST, *FREE), "journal", "1 damaged range", state="warning")


def test_a_journal_whose_segments_are_gone(data):
    for p in (data / "journal/predictions").glob("*.log"):
        p.unlink()
    only(doctor("--data", data, *FAST, *FREE), "journal", "all its segments are gone", 3)


def test_a_journal_without_its_format(data):
    (data / "journal/predictions/format").unlink()
    only(doctor("--data", data, *FAST, *FREE), "journal", "is lost")


def test_a_journal_of_a_later_format(data):
    head = b"sibyl-journal 9"
    (data / "journal/predictions/format").write_bytes(b"%s %08x\n" % (head, crc32c(head)))
    only(doctor("--data", data, *FAST, *FREE), "journal", "format 9")


def test_a_lost_registry(data):
    for p in (data / "registry").iterdir():
        p.unlink()
    only(doctor("--data", data, *FAST, *FREE), "registry", "lost or empty")


def test_a_damaged_registry(data):
    file = data / "registry/mlflow.db"
    content = bytearray(file.read_bytes())
    for page in range(8192, len(content), 4096):
        content[page:page + 200] = os.urandom(200)
    file.write_bytes(content)
    only(doctor("--data", data, *FAST, *FREE), "registry", "damaged")


def test_a_clock_that_jumped_back(data):
    """The newest batch gets a time to come (docs/formats/journal.md)."""
    log = next((data / "journal/predictions").glob("*.log"))
    content = bytearray(log.read_bytes())
    at = 0
    while at < len(content) and content[at + 16] == 2:
        last, at = at, at + 12 + struct.unpack_from(">i", content, at + 8)[0]
    later = int(time.time() * 1000) + 3600_000
    struct.pack_into(">qq", content, last + 27, later, later)
    struct.pack_into(">I", content, last + 17, crc32c(content[last + 21:at]))
    log.write_bytes(content)
    only(doctor("--data", data, *FAST, *FREE), "clock", "jumped back", "in the future")


# ---- ports, processes ----


@pytest.mark.parametrize("port", ["serving", "registry", "dashboard", "search"])
def test_a_port_in_use_names_who_has_it(tmp_path, port):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        free = [a for a in FREE if port not in a]
        found = doctor("--data", tmp_path / "d", *free, f"--{port}-listen=127.0.0.1:{s.getsockname()[1]}", *FAST)
    only(found, f"port of {port}", f"pid {os.getpid()}")


@pytest.mark.parametrize("role,checks", [("serving", ["serving"]), ("platform", ["registry API", "dashboard", "indexes"])])
def test_a_process_that_does_not_answer(fresh, role, checks):
    state = fresh.data / "run" / f"{role}.json"
    doc = json.loads(state.read_text())
    doc["urls"] = {k: f"http://127.0.0.1:{free_port()}" for k in doc["urls"]}
    state.write_text(json.dumps(doc))
    found = doctor("--data", fresh.data, *FAST)
    assert [n for n, c in found.items() if c["state"] == "broken"] == checks


def test_a_version_that_could_not_be_loaded(fresh, tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    fresh.register("iris", tmp_path, wait=0)
    wait_for("failure", 60, lambda: fresh.model("iris").get("failure"))
    only(doctor("--data", fresh.data, *FAST), "serving", "degraded: a model has no live version", state="warning")


# ---- Python, converter, limits ----


def test_an_interpreter_that_is_not_there(tmp_path):
    only(doctor("--data", tmp_path, "--python", "no-such-python", *FREE), "python", "no-such-python", "no such program")


def test_an_interpreter_without_mlflow(tmp_path):
    bare = tmp_path / "bare-python"
    bare.write_text(f'#!/bin/sh\nexec {PYTHON} -S "$@"\n')
    bare.chmod(0o755)
    only(doctor("--data", tmp_path / "d", "--python", bare, *FREE), "python", "cannot import mlflow", "ModuleNotFoundError")


def test_an_interpreter_that_fails(tmp_path):
    bad = tmp_path / "bad-python"
    bad.write_text("#!/bin/sh\nexit 7\n")
    bad.chmod(0o755)
    only(doctor("--data", tmp_path / "d", "--python", bad, *FREE), "python", "status 7")


def test_packages_that_a_model_asks_for(data):
    version = data / "models/other/1-0123456789abcdef/artifact"
    version.mkdir(parents=True)
    (version / "requirements.txt").write_text("# made by a test\nscikit-learn==0.1\nno-such-package[x]==2.0 ; python_version > '3'\nnumpy>=1\n")
    found = doctor("--data", data, *FREE)
    only(found, "model packages", "scikit-learn 0.1 is asked for and there is", "no-such-package 2.0", "not there", state="warning")
    own = doctor("--data", data, *FREE, "--worker-environment=model", "--python", "/bin/false")
    assert "an environment of its own" in own["model packages"]["found"]


def test_program_files_that_are_missing(tmp_path):
    found = doctor("--data", tmp_path / "d", "--home", tmp_path, *FAST, *FREE)
    assert set(assert_found(found, "program files", "broken", "sibyl_worker.py")) == {"converter"}


def test_a_machine_that_allows_no_sandbox(tmp_path):
    found = doctor("--data", tmp_path, *FAST, *FREE, before=strace("seccomp:error=EPERM", "prctl:error=EPERM"))
    assert_found(found, "converter", "broken", "sample model")


def test_few_open_files(tmp_path):
    only(doctor("--data", tmp_path, *FAST, *FREE, before=["prlimit", "--nofile=100"]), "open files", "at most 100")
    only(doctor("--data", tmp_path, *FAST, *FREE, before=["prlimit", "--nofile=1024"]), "open files", "at most 1024", state="warning")


def test_little_memory(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 100000 kB\nMemAvailable: 20000 kB\n")
    before = mounted(tmp_path, "size=2g", f"mount --bind {tmp_path}/meminfo /proc/meminfo")
    only(doctor("--data", tmp_path / "data", *FAST, *FREE, before=before), "memory", "20 MB available")
