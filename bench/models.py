#!/usr/bin/env python3
"""One row through our model image and through the library that trained the model, same rows, one thread.

    models.py MODEL_BENCH ROUNDS  ->  JSON rows: model, ours_us, peer, peer_us

Rows vary: repeating one would train the branch predictor of either side.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.update(OMP_NUM_THREADS="1", MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet")
import mlflow
import numpy as np
import xgboost
from sklearn.ensemble import RandomForestClassifier

tool, rounds = sys.argv[1], int(sys.argv[2])
ROWS = 2000
rng = np.random.default_rng(5)


def median_us(call, rows):
    call(rows[:1])
    times = []
    for i in range(len(rows)):
        begin = time.perf_counter_ns()
        call(rows[i : i + 1])
        times.append((time.perf_counter_ns() - begin) / 1e3)
    return statistics.median(times)


def ours_us(folder, rows):
    csv = "\n".join(",".join(repr(float(v)) for v in r) for r in rows)
    out = subprocess.run([tool, folder, folder.with_suffix(".img")], input=csv, capture_output=True, text=True, check=True).stdout
    return float(out)


def compare(name, peer, save, call, width):
    rows = rng.normal(size=(ROWS, width)) * 2
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp) / "model"
        save(folder)
        pairs = [(ours_us(folder, rows), median_us(call, rows)) for _ in range(rounds)]
    return {"model": name, "peer": peer, "ours_us": statistics.median(p[0] for p in pairs), "peer_us": statistics.median(p[1] for p in pairs)}


def main():
    x = rng.normal(size=(3000, 4)) * 2
    y = (x[:, 0] > x[:, 1]).astype(int) + (x[:, 2] > 1)
    forest = RandomForestClassifier(100, max_depth=8, random_state=1).fit(x, y)
    wide = rng.normal(size=(5000, 30))
    target = (wide[:, :5].sum(axis=1) > 0).astype(int)
    booster = xgboost.train({"objective": "binary:logistic", "max_depth": 6, "nthread": 1}, xgboost.DMatrix(wide, target), 100)
    results = [
        compare("sklearn forest, 100 trees, 4 features, class probabilities", "scikit-learn predict_proba",
                lambda f: mlflow.sklearn.save_model(forest, f, serialization_format="cloudpickle"), forest.predict_proba, 4),
        compare("XGBoost, 100 rounds of depth 6, 30 features", "xgboost inplace_predict",
                lambda f: mlflow.xgboost.save_model(booster, f), booster.inplace_predict, 30),
    ]
    print(json.dumps(results))


if __name__ == "__main__":
    main()
