"""Native predictions against the libraries' own, bit for bit, on generated models with edge rows."""
import hashlib
import json
import os
import pathlib
import subprocess

from sibyl import CACHE, PYTHON, ROOT

HERE = pathlib.Path(__file__).resolve().parent
TOOL = pathlib.Path(os.environ.get("SIBYL_PREDICT_TOOL", ROOT / "build/release/tests/predict_tool"))
PACKAGES = ["scikit-learn", "xgboost-cpu", "skops", "mlflow", "numpy"]
LEAST_MODELS = 60


def models():
    """The folder of generated models: one per generator and library versions."""
    script = HERE / "make_models.py"
    ask = f"from importlib.metadata import version; print(*map(version, {PACKAGES}))"
    versions = subprocess.run([PYTHON, "-c", ask], check=True, capture_output=True, text=True).stdout
    key = hashlib.sha256(script.read_bytes() + versions.encode()).hexdigest()[:12]
    folder = CACHE / f"exact-{key}"
    if not (folder / "list.json").exists():
        subprocess.run([PYTHON, str(script), str(folder)], check=True)
    return folder


def same(got, want):
    """Errors only have to be errors: the texts are ours."""
    return got == want or (want == "error" and got.startswith("error "))


def differences(got, want):
    if len(got) != len(want):
        return [f"{len(got)} lines instead of {len(want)}: {got[:1]}"]
    return [f"row {i}: {g!r} instead of {w!r}" for i, (g, w) in enumerate(zip(got, want)) if not same(g, w)]


def test_models_are_bit_equal_to_their_libraries(tmp_path):
    folder = models()
    listed = json.loads((folder / "list.json").read_text())
    jobs = [f"{folder}/{m['name']}/model {folder}/{m['name']}/rows.f64 {m['ncols']} {tmp_path}/{m['name']}.image "
            f"{tmp_path}/{m['name']}.out" for m in listed]
    subprocess.run([TOOL], input="\n".join(jobs) + "\n", text=True, check=True)
    rows = 0
    wrong = {}
    for m in listed:
        want = (folder / m["name"] / "expect.txt").read_text().splitlines()
        found = differences((tmp_path / f"{m['name']}.out").read_text().splitlines(), want)
        rows += len(want)
        if found:
            wrong[m["name"]] = found
    different = sum(map(len, wrong.values()))
    print(f"{len(listed)} models, {rows} rows, {different} different")
    for name, found in wrong.items():
        print(name, len(found), *found[:3], sep="\n  ")
    assert len(listed) >= LEAST_MODELS
    assert different == 0
