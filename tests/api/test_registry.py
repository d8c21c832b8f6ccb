"""One database, two servers: a real MLflow opens what sibyl wrote, writes on, and sibyl reads that back."""
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import pytest

from sibyl import PYTHON, ROOT, free_port

ENV = dict(os.environ, MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet")

USE = """
import json, math, sys
from mlflow import MlflowClient
c = MlflowClient(sys.argv[1])
run = c.search_runs(["0"], "tags.team = 'blue' AND metrics.loss < 1")[0]
model = c.get_registered_model("iris")
version = c.get_model_version_by_alias("iris", "production")
logged = c.search_logged_models(["0"])[0]
seen = {
    "name": run.info.run_name, "status": run.info.status, "loss": run.data.metrics["loss"],
    "odd": math.isnan(run.data.metrics["odd"]), "big": run.data.metrics["big"] > 1e308,
    "params": run.data.params, "dataset": run.inputs.dataset_inputs[0].dataset.name,
    "context": run.inputs.dataset_inputs[0].tags[0].value,
    "output": run.outputs.model_outputs[0].model_id == logged.model_id,
    "description": model.description, "model_tags": model.tags, "version": str(version.version),
    "version_tags": version.tags, "run_id": version.run_id == run.info.run_id,
    "uri": c.get_model_version_download_uri("iris", "1") == logged.artifact_location,
}
theirs = c.create_run("0", run_name="theirs").info.run_id
c.log_metric(theirs, "loss", 0.1)
c.log_param(theirs, "lr", "1")
c.set_terminated(theirs)
c.set_registered_model_alias("iris", "blue", "1")
c.create_registered_model("second")
print(json.dumps(seen))
"""
SEEN = {
    "name": "ours", "status": "FINISHED", "loss": 0.5, "odd": True, "big": True, "params": {"lr": "0.1"},
    "dataset": "iris", "context": "training", "output": True, "description": "flowers",
    "model_tags": {"team": "blue"}, "version": "1", "version_tags": {"team": "blue"}, "run_id": True, "uri": True,
}
LISTED = [
    "run theirs FINISHED metrics=1 params=1 tags=1 datasets=0 outputs=0",
    "run ours FINISHED metrics=3 params=1 tags=2 datasets=1 outputs=1",
    "model iris blue=1 production=1",
    "model second",
]


@pytest.fixture(scope="module")
def tool():
    kind = os.environ.get("SIBYL_SANITIZER") or "release"
    out = os.environ.get("SIBYL_BUILD_DIR", "build")
    path = os.path.join(out, kind, "tests", "registry_tool")
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    subprocess.run(["make", "-s", "-j2", "V=" + kind, "O=" + out, path], cwd=ROOT, env=env, check=True)

    def run(*args):
        done = subprocess.run([pathlib.Path(ROOT) / path, *args], capture_output=True, text=True, timeout=60)
        return done.returncode, (done.stdout + done.stderr).splitlines()

    return run


def use(uri):
    done = subprocess.run([PYTHON, "-c", USE, uri], env=ENV, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def wait_until_up(server, url, log):
    for _ in range(240):
        assert server.poll() is None, log.read_text()[-4000:]
        try:
            return urllib.request.urlopen(url + "/health", timeout=5)
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-4000:])


def test_a_real_server_opens_our_database(tool, tmp_path):
    db = tmp_path / "mlflow.db"
    assert tool("fill", str(db)) == (0, [])
    port, log = free_port(), tmp_path / "server.log"
    url = f"http://127.0.0.1:{port}"
    with open(log, "w") as out:
        server = subprocess.Popen(
            [PYTHON, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{db}", "--host", "127.0.0.1",
             "--port", str(port), "--workers", "1"],
            cwd=tmp_path, env=ENV, stdout=out, stderr=out, start_new_session=True)
    try:
        wait_until_up(server, url, log)
        assert use(url) == SEEN
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    assert tool("list", str(db)) == (0, LISTED)


def test_we_open_a_database_that_mlflow_made(tool, tmp_path):
    db = tmp_path / "theirs.db"
    subprocess.run([PYTHON, "-m", "mlflow", "db", "upgrade", f"sqlite:///{db}"], env=ENV, check=True,
                   capture_output=True, timeout=180)
    assert tool("fill", str(db)) == (0, [])
    assert use(f"sqlite:///{db}") == SEEN
    assert tool("list", str(db)) == (0, LISTED)


def test_another_revision_is_refused_with_the_line_to_run(tool, tmp_path):
    import sqlite3
    db = tmp_path / "old.db"
    assert tool("fill", str(db)) == (0, [])
    with sqlite3.connect(db) as c:
        c.execute("UPDATE alembic_version SET version_num = '7d34483879f0'")
    code, lines = tool("list", str(db))
    assert code == 1
    assert "schema revision is 7d34483879f0" in lines[0]
    assert f"mlflow db upgrade sqlite:///{db}" in lines[0]


def test_the_schema_file_is_what_mlflow_makes(tmp_path):
    subprocess.run([PYTHON, os.path.join(ROOT, "tools", "gen-mlflow-schema"), str(tmp_path)], check=True, timeout=180,
                   env=dict(ENV, SIBYL_TEST_PY=str(PYTHON)), capture_output=True)
    made, = tmp_path.iterdir()
    assert made.read_bytes() == pathlib.Path(ROOT, "share", "sql", made.name).read_bytes()
