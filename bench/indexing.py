"""The event index beside predictions: what following the journal costs them, how fast it is built anew, and how soon one event is found."""
import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time

from harness import ROOT, SERVER_CORE, Sibyl, pin, say, sibyl, wait_for, wrk
from overload import load, p99

EVENTS, CONNECTIONS, PAIRS = 600_000, 64, 5
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def state(s):
    """The index of predictions, as the dashboard's API tells it."""
    return next(i for i in sibyl.request(s.dashboard, "GET", "/api/indexes").json()["indexes"] if i["name"] == "predictions")


def caught_up(s):
    wait_for("the index", 120, lambda: state(s)["lag"] == 0)


@contextlib.contextmanager
def stopped(pid):
    """platform, and with it the indexer, stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def bench_p99(row, s, body, seconds):
    platform = s.role_pid("platform")
    peak = load(s.serving, "iris", body, CONNECTIONS, 0, seconds)["goodput"]
    without, with_ = [], []
    for _ in range(PAIRS):
        caught_up(s)
        with stopped(platform):
            without.append(p99(load(s.serving, "iris", body, CONNECTIONS, peak / 2, seconds), "ok_us"))
        caught_up(s)
        with_.append(p99(load(s.serving, "iris", body, CONNECTIONS, peak / 2, seconds), "ok_us"))
    say(f"  half of {peak:.0f} requests/s; p99 without indexing {without}, with {with_}")
    a, b = statistics.median(with_), statistics.median(without)
    row("predict at half of the peak, indexing on: p99", a, "µs", "platform stopped", b, a / b, "≤ 1.1", a / b <= 1.1)


def bench_rebuild(row, s):
    script, at_least = ROOT / "bench/predict.lua", EVENTS
    while state(s)["documents"] < at_least:
        wrk(s.serving, "/models/iris/predict", 64, 2, script)
        caught_up(s)
    done = json.loads(subprocess.run([sibyl.SIBYL, "reindex", "--index", "predictions", "--json", "--data", s.data], check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    rate = done["documents"] / done["ms"] * 1e3
    row(f"rebuild of the index of {done['documents']:,} events while serving", rate, "events/s", "goal", 200_000, rate / 200_000, "≥ 200,000", rate >= 200_000)


def bench_one(row, s, rounds):
    answer = sibyl.request(s.search, "POST", "/predictions/_search", {"size": 200, "_source": False, "sort": [{"latency.total_us": "asc"}]})
    ms = []
    for hit in answer.json()["hits"]["hits"] * rounds:
        begin = time.perf_counter()
        found = sibyl.request(s.search, "GET", f"/predictions/_doc/{hit['_id']}")
        ms.append((time.perf_counter() - begin) * 1e3)
        if not found.json()["found"]:
            raise RuntimeError(f"{hit['_id']} was not found")
    a = statistics.median(ms)
    row("one event by its id, with its text, connection included", a, "ms", "goal", 2, a / 2, "< 2 ms", a < 2)


def bench(row, o):
    with tempfile.TemporaryDirectory() as folder, Sibyl() as s:
        body = pathlib.Path(folder) / "body.json"
        body.write_text(json.dumps(ROW))
        pin(s.serving_pids(), SERVER_CORE)
        bench_p99(row, s, body, o.seconds)
        bench_rebuild(row, s)
        bench_one(row, s, o.rounds)
