"""The converter's child times kernels inside its sandbox."""
import json
import subprocess

import mlflow
import numpy as np
import xgboost
from sibyl import SIBYL


def test_a_forest_with_many_thresholds_is_timed_in_the_sandbox(tmp_path):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4000, 4))
    y = np.sin(x[:, 0] * 3) + x[:, 1] * x[:, 2]
    model = xgboost.train({"max_depth": 6, "nthread": 1, "max_bin": 250}, xgboost.DMatrix(x, y), 60)
    folder, image = tmp_path / "model", tmp_path / "image"
    mlflow.xgboost.save_model(model, folder)
    r = subprocess.run([SIBYL, "convert", folder, image], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0, (r.returncode, r.stderr)
    report = json.loads(r.stdout)
    assert report["native"] and report["trees"] == 60, report
    data = image.read_bytes()
    sections = {int.from_bytes(data[at:at + 4], "little"): int.from_bytes(data[at + 16:at + 24], "little") for at in range(64, 64 + 16 * 32, 32)}
    assert sections[10] == 36, sections  # the choice
    at = next(int.from_bytes(data[r + 8:r + 16], "little") for r in range(64, 64 + 16 * 32, 32) if data[r] == 10)
    choice = [int.from_bytes(data[at + i:at + i + 4], "little") for i in range(4, 36, 4)]
    assert all(0 < ns < 1e6 for ns in choice[1::2]), choice  # a clock that stood still made every kernel equal
