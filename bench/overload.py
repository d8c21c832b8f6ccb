"""Overload: open-loop load of 3 and 5 times what the server can do, and what is left of its work.

The peak S is found first, in a closed loop; then requests come at random times at a multiple of S, whatever
the server does, and latencies count from when a request was due. A model of some size (300 trees of 4,000 rows
with 30 features) predicts a few rows a request, so that a prediction costs much more than the refusal of one: most
of what a row of a small model costs is its way through TCP and HTTP, which a refusal takes too, and no server can
refuse four times its peak at that price and go on answering.
"""
import json
import os
import pathlib
import subprocess
import tempfile

from harness import LOAD_CORE, PYTHON, ROOT, SERVER_CORE, Sibyl, cpu_seconds, pin, say

TOOL = ROOT / "build/release/tests/open_loop"
ROWS_EACH, FEATURES, CONNECTIONS, PEAK_CONNECTIONS = 16, 30, 1000, 32
SCRIPT = """
import sys, mlflow, numpy as np, pandas as pd
from mlflow.models import infer_signature
from sklearn.ensemble import RandomForestRegressor
rng, n = np.random.default_rng(1), int(sys.argv[2])
X = pd.DataFrame(rng.normal(size=(4000, n)), columns=[f"f{i}" for i in range(n)])
y = X.f0 * X.f1 + np.sin(X.f2) + rng.normal(size=4000)
mlflow.sklearn.save_model(RandomForestRegressor(300, random_state=1).fit(X, y), sys.argv[1], serialization_format="cloudpickle",
                          signature=infer_signature(X, pd.DataFrame({"y": y})))
"""


def trained(script, *args):
    """Runs a script that saves MLflow models."""
    subprocess.run([PYTHON, "-W", "ignore", "-c", script, *map(str, args)], check=True, stderr=subprocess.DEVNULL,
                   env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"})


def load(port, model, body, connections, rate, seconds):
    return json.loads(subprocess.run(["taskset", "-c", str(LOAD_CORE), TOOL, str(port), f"/models/{model}/predict", body, str(connections), f"{rate:.1f}", str(seconds)],
                                     capture_output=True, text=True, check=True).stdout)


def recorded(s):
    """Rows in the journal by status, as the server counts them after they are durable."""
    text = s.get("/metrics").body.decode()
    return sum(int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("sibyl_predictions_total{") and 'status="ok"' in line)


def p99(r, kind):
    """Of requests that were not under way while the whole machine stood still (open_loop.c); both are printed."""
    return r["undisturbed"][kind]["p99"]


def bench(row, seconds):
    rows = [{f"f{j}": round((i * 7 + j * 3) % 41 / 10 - 2, 1) for j in range(FEATURES)} for i in range(ROWS_EACH)]
    with tempfile.TemporaryDirectory() as folder, Sibyl(model=False) as s:
        trained(SCRIPT, folder + "/model", FEATURES)
        s.register("forest", folder + "/model")
        body = pathlib.Path(folder) / "body.json"
        body.write_text(json.dumps(rows))
        pids = s.serving_pids()
        pin(pids, SERVER_CORE)
        load(s.serving, "forest", body, PEAK_CONNECTIONS, 0, 1)
        cpu = cpu_seconds(pids)
        peak = load(s.serving, "forest", body, PEAK_CONNECTIONS, 0, seconds)
        served_us = (cpu_seconds(pids) - cpu) / peak["ok"] * 1e6
        calm = load(s.serving, "forest", body, CONNECTIONS, peak["goodput"] * 0.8, seconds)
        say(f"  peak {peak['goodput']:.0f} requests/s of {ROWS_EACH} rows, {served_us:.0f} us of CPU each; at 0.8 of it: {calm}")
        for times, goal in [(3, 0.93), (5, 0.90)]:
            before = recorded(s)
            r = load(s.serving, "forest", body, CONNECTIONS, peak["goodput"] * times, seconds)
            say(f"  at {times} times: {r}")
            if r["failed"]:
                say(f"  {r['failed']} requests got no answer within a second")
            kept = recorded(s) - before
            if kept < r["ok"] * ROWS_EACH:
                raise RuntimeError(f"{r['ok'] * ROWS_EACH} rows answered, {kept} recorded")
            what = f"overload, {times} times the peak"
            row(f"{what}: goodput", r["goodput"], "/s", "peak, closed loop", peak["goodput"], r["goodput"] / peak["goodput"], f"≥ {goal}", r["goodput"] >= goal * peak["goodput"])
            bound = 2 * p99(calm, "ok_us") + 10000
            ok, rejected = p99(r, "ok_us"), p99(r, "rejected_us")
            row(f"{what}: p99 of answered requests, from when they were due", ok, "µs", "2 × p99 at 0.8 of the peak + 10 ms", bound, ok / bound, "≤ 1", ok <= bound)
            row(f"{what}: p99 of refusals", rejected, "µs", "5 ms", 5000, rejected / 5000, "≤ 1", rejected <= 5000)
