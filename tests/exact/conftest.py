"""predict_tool, built when it is not there; models generated once per version of generator and libraries."""
import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sibyl import CACHE, PYTHON, ROOT  # noqa: E402

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
