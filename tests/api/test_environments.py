"""Workers in environments made from models' requirements: real pip, real packages, from a folder of wheels that is
filled once and kept in the cache."""
import hashlib
import importlib.metadata
import os
import re
import signal
import subprocess
import time

import pytest
from sibyl import CACHE, PYTHON, Sibyl, command_of, tree, wait_for

PINS = {name: importlib.metadata.version(name) for name in ["mlflow", "numpy", "pandas", "six"]}
OLD_SIX = "1.16.0"  # pure Python, and not the version of the environment the other workers run in
WANTED = [f"mlflow-skinny=={PINS['mlflow']}", f"numpy=={PINS['numpy']}", f"pandas=={PINS['pandas']}", f"six=={OLD_SIX}"]
SCRIPT = f"""
import sys, mlflow
class Telling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        import six
        return [six.__version__] * len(model_input)
import pandas as pd
from mlflow.models import infer_signature
mlflow.pyfunc.save_model(sys.argv[1], python_model=Telling(), pip_requirements={WANTED!r}, signature=infer_signature(pd.DataFrame({{"x": [1.0]}}), pd.DataFrame({{"six": ["1"]}})))
"""


def cached(name, make):
    digest = hashlib.sha256((SCRIPT + PYTHON).encode()).hexdigest()[:12]
    made = CACHE / f"{name}-{digest}"
    if not made.exists():
        tmp = made.with_name(made.name + ".tmp")
        subprocess.run(["rm", "-rf", tmp], check=True)
        made.parent.mkdir(parents=True, exist_ok=True)
        make(tmp)
        tmp.rename(made)
    return made


@pytest.fixture(scope="module")
def wheels():
    return cached("wheels", lambda to: subprocess.run([PYTHON, "-m", "pip", "download", "-q", "--only-binary=:all:", "-d", to, *WANTED], check=True))


@pytest.fixture(scope="module")
def telling():
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    return cached("telling", lambda to: subprocess.run([PYTHON, "-W", "ignore", "-c", SCRIPT, to], check=True, env=env))


def from_wheels(folder):
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def small_model(folder, requirements, python="3.11.0"):
    """A model of a module of its own; says which version it is."""
    (folder / "code").mkdir(parents=True)
    module = f"small_{hashlib.sha256(requirements.encode()).hexdigest()[:8]}"
    (folder / "code" / f"{module}.py").write_text('class Model:\n    def predict(self, data, params=None):\n        return ["here"] * len(data)\ndef _load_pyfunc(path):\n    return Model()\n')
    (folder / "requirements.txt").write_text(requirements)
    (folder / "python_env.yaml").write_text(f"python: {python}\ndependencies:\n- -r requirements.txt\n")
    (folder / "MLmodel").write_text(f"""
flavors:
  python_function: {{loader_module: {module}, code: code, env: {{virtualenv: python_env.yaml}}}}
mlflow_version: {PINS['mlflow']}
signature:
  inputs: '[{{"type": "double", "name": "x", "required": true}}]'
  outputs: '[{{"type": "string", "name": "said", "required": true}}]'
""")
    return folder


def environments(s):
    return sorted(p.name for p in (s.data / "environments").glob("*")) if (s.data / "environments").exists() else []


def test_a_model_moves_into_an_environment_of_its_own_while_it_is_served(wheels, telling):
    with Sibyl(env=from_wheels(wheels)) as s:
        s.register("telling", telling)
        def six():
            return s.post("/models/telling/predict", {"x": 1.0}).json()["prediction"]["six"]
        assert six() == PINS["six"] != OLD_SIX
        assert s.model("telling")["live"]["detail"]["environment"] == "current" and environments(s) == []
        s.mlflow("POST", "registered-models/set-tag", {"name": "telling", "key": "sibyl.environment", "value": "model"})
        m = wait_for("progress", 30, lambda: (m := s.model("telling")).get("pending") and m)
        assert re.fullmatch(r"environment [0-9a-f]{16} is being made, \d+ s: .+", m["pending"]) and m["pending_version"] == "1"
        assert "pending  version 1" in s.cli("models").stdout
        assert s.get("/health").json()["models"][0]["pending"] and six() == PINS["six"]
        wait_for("the environment", 300, lambda: s.model("telling")["live"]["detail"]["environment"] != "current")
        m = s.model("telling")
        assert six() == OLD_SIX and "pending" not in m and [m["live"]["detail"]["environment"]] == environments(s)
        assert s.stop() == 0
        begin = time.monotonic()
        s.start()
        assert six() == OLD_SIX and s.log().count("module=environment event=making") == 1
        assert s.model("telling")["live"]["detail"]["environment"] == environments(s)[0]
        assert time.monotonic() - begin < 30
        assert s.stop() == 0


def test_a_build_that_fails_says_what_pip_said_and_is_tried_once_for_two_models(tmp_path):
    with Sibyl("--worker-environment", "model", "--routes", "{a: {environment: current}}", env=from_wheels(tmp_path)) as s:
        s.register("a", small_model(tmp_path / "1", "six\n"))
        for name in ["b", "c"]:
            s.register(name, small_model(tmp_path / name, "nosuch-package==9\n"), wait=0)
        for name in ["b", "c"]:
            why = wait_for("the reason", 60, lambda: s.model(name).get("failure"))
            assert "could not be made" in why and "No matching distribution found for nosuch-package==9" in why, why
        assert s.log().count("module=environment event=making") == 1 and environments(s) == []
        s.alias("a", "production", s.register("a", small_model(tmp_path / "2", "six\n"), wait=0))
        s.wait_live("a", "2")  # the route's own setting: no environment needed
        assert s.stop() == 0


@pytest.mark.san
def test_requirements_that_are_refused_leave_the_old_version_live(tmp_path):
    with Sibyl() as s:
        s.register("m", small_model(tmp_path / "1", "six\n"))
        s.mlflow("POST", "registered-models/set-tag", {"name": "m", "key": "sibyl.environment", "value": "model"})
        for i, (text, python, says) in enumerate([
                ("six @ https://example.org/six.whl\n", "3.11.1", "names an address"),
                ("--index-url http://127.0.0.1:1/\n", "3.11.1", "no option but -c is taken"),
                ("six\n", "2.6.1", "its environment needs Python 2.6, and neither")]):
            version = s.register("m", small_model(tmp_path / f"bad{i}", text, python), wait=0)
            m = wait_for("the reason", 30, lambda: (m := s.model("m")).get("failed_version") == version and m)
            assert says in m["failure"], m["failure"]
            assert m["live"]["version"] == "1" and s.post("/models/m/predict", {"x": 1.0}).status == 200
        assert s.stop() == 0


def builders(pids):
    return [p for p in pids if any("sibyl_environment.py" in a for a in command_of(p))]


def test_a_kill_in_the_middle_leaves_no_half_environment_and_nobody_behind(tmp_path):
    with Sibyl("--worker-environment", "model", env=from_wheels(tmp_path)) as s:
        s.register("m", small_model(tmp_path / "1", "nosuch-package==9\n"), wait=0)
        busy = wait_for("the build", 30, lambda: (b := builders(tree(s.process.pid))) and any(n.startswith(".tmp-") for n in environments(s)) and b)
        serving, platform = s.role_pid("serving"), s.role_pid("platform")
        os.kill(s.process.pid, signal.SIGSTOP)  # no restart meanwhile
        os.kill(serving, signal.SIGKILL)
        wait_for("their end", 10, lambda: not builders(busy))
        os.kill(s.process.pid, signal.SIGKILL)
        s.process.wait()
        wait_for("the end of all", 20, lambda: not any(command_of(platform)[0:1]))  # which has the ports
        assert [n for n in environments(s) if not n.startswith(".tmp-")] == []
        old, young = s.data / "environments" / ("0" * 16), s.data / "environments" / ("1" * 16)
        for folder, age in [(old, 31), (young, 29)]:
            folder.mkdir()
            (folder / "used").touch()
            os.utime(folder / "used", (time.time() - age * 86400,) * 2)
        s.start(wait=False)
        wait_for("what it comes to", 60, lambda: "nosuch-package" in s.model("m").get("failure", ""))
        wait_for("leftovers gone", 10, lambda: environments(s) == [young.name])
        assert s.stop() == 0


def test_a_stop_ends_a_build(tmp_path):
    with Sibyl("--worker-environment", "model", env=from_wheels(tmp_path)) as s:
        s.register("m", small_model(tmp_path / "1", "six\n"), wait=0)
        busy = wait_for("the build", 30, lambda: builders(tree(s.process.pid)))
        begin = time.monotonic()
        assert s.stop() == 0 and time.monotonic() - begin < 5
        assert not builders(busy) and environments(s) == []
