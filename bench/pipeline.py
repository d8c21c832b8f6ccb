#!/usr/bin/env python3
"""One row of 12 columns through a pipeline: as our image, and as scikit-learn's own predict_proba on a one-row frame.

    pipeline.py MODEL_BENCH ROUNDS  ->  JSON rows: model, ours_us, peer, peer_us, goal_us

Six numbers are scaled, six columns of text one-hot encoded, a logistic regression answers label and probabilities.
Rows vary; both sides start from columns in memory, which the whole call takes by name.
"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet")
import mlflow
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

GOAL_US = 3
ROWS = 400
NUMBERS = ["age", "income", "visits", "balance", "tenure", "score"]
WORDS = {"city": 40, "plan": 4, "channel": 6, "segment": 8, "device": 12, "country": 30}


def table(rng, n):
    columns = {name: rng.normal(size=n) * 10 for name in NUMBERS}
    columns |= {name: [f"{name} {v}" for v in rng.integers(0, kinds, n)] for name, kinds in WORDS.items()}
    return pd.DataFrame(columns)


def ours_us(tool, folder, frame):
    csv = "\n".join(",".join(repr(v) if isinstance(v, float) else v for v in row) for row in frame.itertuples(index=False))
    out = subprocess.run([tool, folder, folder.with_suffix(".img"), ",".join(frame.columns)], input=csv, capture_output=True, text=True, check=True)
    return float(out.stdout)


def peer_us(model, frame):
    rows = [frame.iloc[i:i + 1] for i in range(len(frame))]
    model.predict_proba(rows[0])
    times = []
    for row in rows:
        begin = time.perf_counter_ns()
        model.predict_proba(row)
        times.append((time.perf_counter_ns() - begin) / 1e3)
    return statistics.median(times)


def main():
    tool, rounds = sys.argv[1], int(sys.argv[2])
    rng = np.random.default_rng(5)
    frame = table(rng, 5000)
    target = (frame.age + 5 * (frame.plan == "plan 1") + rng.normal(size=len(frame)) * 5 > 2).map({True: "stays", False: "leaves"})
    model = make_pipeline(ColumnTransformer([("numbers", StandardScaler(), NUMBERS), ("words", OneHotEncoder(handle_unknown="ignore"), list(WORDS))]),
                          LogisticRegression()).fit(frame, target)
    rows = table(rng, ROWS)
    with tempfile.TemporaryDirectory() as tmp:
        folder = pathlib.Path(tmp) / "model"
        mlflow.sklearn.save_model(model, folder, serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
        pairs = [(ours_us(tool, folder, rows), peer_us(model, rows)) for _ in range(rounds)]
    print(json.dumps([{"model": "OneHotEncoder + StandardScaler + LogisticRegression, 12 columns", "peer": "scikit-learn predict_proba",
                       "ours_us": statistics.median(p[0] for p in pairs), "peer_us": statistics.median(p[1] for p in pairs), "goal_us": GOAL_US}]))


if __name__ == "__main__":
    main()
