"""Overload: open-loop load of 3 and 5 times what the server can do, and what is left of its work.

The peak S is found first, in a closed loop; then requests come at random times at a multiple of S, whatever
the server does, and latencies count from when a request was due. Predictions of batches, so that one costs
much more than the refusal of one: most of what a single row costs is its way through TCP and HTTP, which a
refusal takes too, and no server can refuse four times its peak at that price and go on answering.
"""
import json
import pathlib
import subprocess
import tempfile

from harness import LOAD_CORE, ROOT, SERVER_CORE, Sibyl, cpu_seconds, pin, say

TOOL = ROOT / "build/release/tests/open_loop"
ROWS_EACH, CONNECTIONS, PEAK_CONNECTIONS = 150, 1000, 32
PATH = "/models/iris/predict"


def load(port, body, connections, rate, seconds):
    return json.loads(subprocess.run(["taskset", "-c", str(LOAD_CORE), TOOL, str(port), PATH, body, str(connections), f"{rate:.1f}", str(seconds)],
                                     capture_output=True, text=True, check=True).stdout)


def recorded(s):
    """Rows in the journal by status, as the server counts them after they are durable."""
    text = s.get("/metrics").body.decode()
    return sum(int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("sibyl_predictions_total{") and 'status="ok"' in line)


def bench(row, seconds):
    rows = [{"sepal_length": 4 + i % 40 / 10, "sepal_width": 3.1, "petal_length": i % 7, "petal_width": i % 25 / 10} for i in range(ROWS_EACH)]
    with tempfile.TemporaryDirectory() as folder, Sibyl() as s:
        body = pathlib.Path(folder) / "body.json"
        body.write_text(json.dumps(rows))
        pids = s.serving_pids()
        pin(pids, SERVER_CORE)
        load(s.serving, body, PEAK_CONNECTIONS, 0, 1)
        cpu = cpu_seconds(pids)
        peak = load(s.serving, body, PEAK_CONNECTIONS, 0, seconds)
        served_us = (cpu_seconds(pids) - cpu) / peak["ok"] * 1e6
        calm = load(s.serving, body, CONNECTIONS, peak["goodput"] * 0.8, seconds)
        say(f"  peak {peak['goodput']:.0f} requests/s of {ROWS_EACH} rows, {served_us:.0f} us of CPU each; at 0.8 of it: {calm}")
        for times, goal in [(3, 0.93), (5, 0.90)]:
            before = recorded(s)
            r = load(s.serving, body, CONNECTIONS, peak["goodput"] * times, seconds)
            say(f"  at {times} times: {r}")
            if r["failed"]:
                say(f"  {r['failed']} requests got no answer within a second")
            kept = recorded(s) - before
            if kept < r["ok"] * ROWS_EACH:
                raise RuntimeError(f"{r['ok'] * ROWS_EACH} rows answered, {kept} recorded")
            what = f"overload, {times} times the peak"
            row(f"{what}: goodput", r["goodput"], "/s", "peak, closed loop", peak["goodput"], r["goodput"] / peak["goodput"], f"≥ {goal}", r["goodput"] >= goal * peak["goodput"])
            bound = 2 * calm["ok_us"]["p99"] + 10000
            row(f"{what}: p99 of answered requests, from when they were due", r["ok_us"]["p99"], "µs", "2 × p99 at 0.8 of the peak + 10 ms", bound, r["ok_us"]["p99"] / bound, "≤ 1", r["ok_us"]["p99"] <= bound)
            row(f"{what}: p99 of refusals", r["rejected_us"]["p99"], "µs", "5 ms", 5000, r["rejected_us"]["p99"] / 5000, "≤ 1", r["rejected_us"]["p99"] <= 5000)
