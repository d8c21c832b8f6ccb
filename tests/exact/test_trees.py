"""Native boosting, LightGBM and XGBoost against their libraries, bit for bit, one row and many at once."""
import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sibyl import CACHE, PYTHON  # noqa: E402
from test_exact import differences  # noqa: E402

SIZE = int(os.environ.get("SIBYL_EXACT_SIZE", "1"))
RANDOM_MODELS = 25
LEAST_MODELS = 200
PACKAGES = ["scikit-learn", "xgboost-cpu", "lightgbm", "skops", "mlflow", "numpy", "scipy", "pandas"]


@pytest.fixture(scope="session")
def trees():
    scripts = [HERE / "tree_models.py", HERE / "make_models.py"]
    ask = f"from importlib.metadata import version; print(*map(version, {PACKAGES}))"
    versions = subprocess.run([PYTHON, "-c", ask], check=True, capture_output=True, text=True).stdout
    key = hashlib.sha256(b"".join(s.read_bytes() for s in scripts) + versions.encode()).hexdigest()[:12]
    folder = CACHE / f"trees-{RANDOM_MODELS * SIZE}-{key}"
    if not (folder / "list.json").exists():
        subprocess.run([PYTHON, str(scripts[0]), str(folder), str(RANDOM_MODELS * SIZE)], check=True)
    return folder


def test_trees_are_bit_equal_to_their_libraries(tool, trees, tmp_path, capsys):
    listed = json.loads((trees / "list.json").read_text())
    jobs = [f"{trees}/{m['name']}/model {trees}/{m['name']}/rows.f64 {m['ncols']} {tmp_path}/image "
            f"{tmp_path}/{m['name']}.out" for m in listed]
    done = subprocess.run([tool], input="\n".join(jobs) + "\n", text=True, stderr=subprocess.PIPE)
    rows, wrong = 0, {}
    for m in listed:
        want = (trees / m["name"] / "expect.txt").read_text().splitlines()
        found = differences((tmp_path / f"{m['name']}.out").read_text().splitlines(), want)
        rows += len(want)
        if found:
            wrong[m["name"]] = found
    different = sum(map(len, wrong.values()))
    with capsys.disabled():
        print(f"\n{len(listed)} tree models, {rows} rows, {different} different")
        for name, found in wrong.items():
            print(name, len(found), *[line[:600] for line in found[:3]], sep="\n  ")
    assert done.returncode == 0, done.stderr
    assert len(listed) >= LEAST_MODELS
    assert different == 0
