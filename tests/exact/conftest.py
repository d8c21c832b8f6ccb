"""predict_tool, built when it is not there; models generated once per version of generator and libraries.

SIBYL_EXACT_SIZE says how many random models there are: 1 in the usual run, more in the long one."""
import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sibyl import CACHE, PYTHON, ROOT  # noqa: E402

SIZE = int(os.environ.get("SIBYL_EXACT_SIZE", "1"))
RANDOM_PIPELINES = 40
PACKAGES = ["scikit-learn", "xgboost-cpu", "skops", "mlflow", "numpy"]


@pytest.fixture(scope="session")
def tool():
    out = os.environ.get("SIBYL_BUILD_DIR", "build")
    kind = os.environ.get("SIBYL_SANITIZER", "release")
    path = os.path.join(out, kind, "tests", "predict_tool")
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    subprocess.run(["make", "-s", "-j2", "V=" + kind, "O=" + out, path], cwd=ROOT, env=env, check=True)
    return os.path.join(ROOT, path)


@pytest.fixture(scope="session")
def models():
    script = HERE / "make_models.py"
    ask = f"from importlib.metadata import version; print(*map(version, {PACKAGES}))"
    versions = subprocess.run([PYTHON, "-c", ask], check=True, capture_output=True, text=True).stdout
    key = hashlib.sha256(script.read_bytes() + versions.encode()).hexdigest()[:12]
    folder = CACHE / f"exact-{key}"
    if not (folder / "list.json").exists():
        subprocess.run([PYTHON, str(script), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def pipelines():
    scripts = [HERE / "pipelines.py", HERE / "make_models.py"]
    worker = (ROOT / "python/sibyl_worker.py").read_bytes()
    frames = worker[worker.index(b"# ---- columns of the request ----"):worker.index(b"# ---- the model ----")]
    ask = f"from importlib.metadata import version; print(*map(version, {PACKAGES + ['pandas', 'scipy']}))"
    versions = subprocess.run([PYTHON, "-c", ask], check=True, capture_output=True, text=True).stdout
    key = hashlib.sha256(b"".join(s.read_bytes() for s in scripts) + frames + versions.encode()).hexdigest()[:12]
    count = RANDOM_PIPELINES * SIZE
    folder = CACHE / f"pipelines-{count}-{key}"
    if not (folder / "list.json").exists():
        subprocess.run([PYTHON, str(scripts[0]), str(folder), str(count)], check=True)
    return folder
