#!/usr/bin/env python3
"""`make bench`: every number of the README, each a ratio against a named peer in the same run.

    bench/run.py                    all
    bench/run.py predict journal    some of: predict, overload, shadow, journal, registry, models, pipeline, trees, search, indexing, scoring, idle
    bench/run.py --rounds 5 --seconds 5 --json FILE

Writes build/bench.json and prints a Markdown table. Close other programs first: the ratios are taken on two
cores, one for the server and one for the load.
"""
import argparse
import json
import os
import pathlib
import platform
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import indexing
import overload
import search
import shadow
import trees
from harness import (LOAD_CORE, PYTHON, ROOT, SERVER_CORE, Nginx, Sibyl, cpu_name, free_port, get, measured, median, pin, pss_bytes, say,
                     stop, tree, wait_for, wrk)

ROWS = []


def row(what, value, unit, peer, peer_value, ratio, goal, ok):
    """One line of the table: value of sibyl, value of the peer, their ratio, and what it should be."""
    ROWS.append({"what": what, "value": value, "unit": unit, "peer": peer, "peer_value": peer_value, "ratio": ratio, "goal": goal, "met": bool(ok)})
    say(f"  {what}: {value:.4g} {unit}; {peer}: {peer_value:.4g}; ratio {ratio:.3g} (goal {goal})")


# ---- predictions against nginx ----

def bench_predict(o):
    body = post_one_prediction_body()
    with Sibyl() as s, Nginx(body) as n:
        pin(s.serving_pids(), SERVER_CORE)
        pin(n.pids(), SERVER_CORE)
        script = ROOT / "bench/predict.lua"
        wrk(s.serving, "/models/iris/predict", 32, 2, script)
        wrk(n.port, "/", 32, 1, script)
        for connections, goal in [(32, 1.6), (64, None), (128, 1.3)]:
            ours, theirs = [], []
            for _ in range(o.rounds):
                ours.append(measured(s.serving_pids(), lambda: wrk(s.serving, "/models/iris/predict", connections, o.seconds, script)))
                theirs.append(measured(n.pids(), lambda: wrk(n.port, "/", connections, o.seconds, script)))
            a, b = median(ours, "cpu_us"), median(theirs, "cpu_us")
            row(f"predict, event fsynced, {connections} connections: CPU per request", a, "µs", "nginx, constant answer", b, a / b, f"≤ {goal}×" if goal else "–", not goal or a / b <= goal)
            a, b = median(ours, "rps"), median(theirs, "rps")
            row(f"predict, event fsynced, {connections} connections: requests/s", a, "/s", "nginx, constant answer", b, a / b, "–", True)


def post_one_prediction_body():
    return json.dumps({"prediction": {"species": "setosa"}, "probabilities": {"setosa": 0.98, "versicolor": 0.02, "virginica": 0.0}, "model": "iris",
                       "model_version": "1", "event_id": "019a8c2e-5d3f-7c41-9a0b-1f2e3d4c5b6a"}, separators=(",", ":"))


# ---- the same prediction through mlflow models serve ----

def bench_scoring(o):
    port = free_port()
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "PATH": f"{pathlib.Path(PYTHON).parent}:{os.environ['PATH']}"}
    serve = subprocess.Popen([PYTHON, "-m", "mlflow", "models", "serve", "-m", str(ROOT / "share/samples/iris-forest"), "-p", str(port), "--env-manager", "local"],
                             env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("mlflow models serve", 120, lambda: get(port, "/ping")[0] == 200)
        os.environ["BENCH_SHAPE"] = "split"
        script = ROOT / "bench/predict.lua"
        with Sibyl() as s:
            pin(s.serving_pids(), SERVER_CORE)
            pin(tree(serve.pid), SERVER_CORE)
            ours, theirs = [], []
            for _ in range(o.rounds):
                theirs.append(wrk(port, "/invocations", 32, o.seconds, script))
                ours.append(wrk(s.serving, "/models/iris/invocations", 32, o.seconds, script))
            a, b = median(ours, "rps"), median(theirs, "rps")
            row("/invocations, same forest, 32 connections: predictions/s", a, "/s", "mlflow models serve", b, a / b, "≥ 300×", a / b >= 300)
    finally:
        os.environ.pop("BENCH_SHAPE", None)
        stop(serve)


# ---- the journal against dd ----

def bench_journal(o):
    tool = ROOT / "build/release/tests/journal_bench"
    total = 256 << 20
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sibyl-bench-journal-", dir=ROOT / "build"))
    ours, theirs = [], []
    try:
        for _ in range(o.rounds):
            out = subprocess.run([tool, folder / "topic", str(total)], capture_output=True, text=True, check=True).stdout
            ours.append(json.loads(out)["bytes_per_second"])
            shutil.rmtree(folder / "topic")
            begin = time.monotonic()
            subprocess.run(["dd", "if=/dev/zero", f"of={folder}/dd", "bs=1M", f"count={total >> 20}", "conv=fdatasync"], check=True, stderr=subprocess.DEVNULL)
            theirs.append(total / (time.monotonic() - begin))
            (folder / "dd").unlink()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    a, b = statistics.median(ours) / 1e6, statistics.median(theirs) / 1e6
    row("journal, 900 B events in groups, each synced", a, "MB/s", "dd bs=1M conv=fdatasync", b, a / b, "≥ ⅓", a / b >= 1 / 3)


# ---- MLflow calls against the real server ----

class Keep:
    """One keep-alive connection with quick ACKs: the real server's small answers otherwise stall 40 ms on Nagle."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else b""
        self.sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        while b"\r\n\r\n" not in self.buffer:
            self.read()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        headers = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        length = int(headers[b"content-length"])
        while len(self.buffer) < length:
            self.read()
        answer, self.buffer = self.buffer[:length], self.buffer[length:]
        status = int(head.split(b" ", 2)[1])
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {answer[:200]}")
        return json.loads(answer or b"{}")

    def read(self):
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        piece = self.sock.recv(1 << 20)
        if not piece:
            raise ConnectionError("closed")
        self.buffer += piece


def registry_calls(port, calls):
    """p95 in ms of each kind of call over one connection."""
    k, api = Keep(port), "/api/2.0/mlflow/"
    times = {name: [] for name in ["runs/create", "runs/log-batch", "runs/log-metric", "runs/get", "runs/search", "registered-models/alias"]}

    def timed(name, *args):
        begin = time.perf_counter()
        answer = k.call(*args)
        times[name].append((time.perf_counter() - begin) * 1e3)
        return answer

    tag = str(time.time_ns())
    experiment = k.call("POST", api + "experiments/create", {"name": f"bench-{tag}"})["experiment_id"]
    k.call("POST", api + "registered-models/create", {"name": f"bench-{tag}"})
    for i in range(calls):
        now = int(time.time() * 1000)
        info = timed("runs/create", "POST", api + "runs/create", {"experiment_id": experiment, "start_time": now})["run"]["info"]
        run, uri = info["run_id"], info["artifact_uri"]
        timed("runs/log-batch", "POST", api + "runs/log-batch",
              {"run_id": run, "metrics": [{"key": f"m{j}", "value": j + i, "timestamp": now, "step": 0} for j in range(10)], "params": [{"key": "p", "value": str(i)}]})
        timed("runs/log-metric", "POST", api + "runs/log-metric", {"run_id": run, "key": "loss", "value": 1.0 / (i + 1), "timestamp": now, "step": i})
        timed("runs/get", "GET", api + f"runs/get?run_id={run}")
        if i % 5 == 0:
            timed("runs/search", "POST", api + "runs/search", {"experiment_ids": [experiment], "max_results": 100, "filter": "metrics.m1 >= 0"})
        if i == 0:
            k.call("POST", api + "model-versions/create", {"name": f"bench-{tag}", "source": uri + "/model", "run_id": run})
        timed("registered-models/alias", "POST", api + "registered-models/alias", {"name": f"bench-{tag}", "alias": "production", "version": "1"})
    return {name: statistics.quantiles(t, n=20)[-1] for name, t in times.items()}


def bench_registry(o):
    port = free_port()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sibyl-bench-mlflow-", dir=ROOT / "build"))
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "PATH": f"{pathlib.Path(PYTHON).parent}:{os.environ['PATH']}"}
    real = subprocess.Popen([PYTHON, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"),
                             "--port", str(port), "--workers", "1"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("mlflow server", 180, lambda: get(port, "/health")[0] == 200)
        with Sibyl(model=False) as s:
            registry_calls(port, 10), registry_calls(s.registry, 10)
            ours, theirs = [], []
            for _ in range(o.rounds):
                theirs.append(registry_calls(port, 40))
                ours.append(registry_calls(s.registry, 40))
            for name in ours[0]:
                a, b = statistics.median(r[name] for r in ours), statistics.median(r[name] for r in theirs)
                row(f"registry {name}: p95", a, "ms", "mlflow server 3.17.2, SQLite", b, b / a, "≥ 10× lower", b / a >= 10)
    finally:
        stop(real)
        shutil.rmtree(folder, ignore_errors=True)


# ---- models against their libraries ----

def bench_models(o):
    out = subprocess.run(["taskset", "-c", str(LOAD_CORE), PYTHON, ROOT / "bench/models.py", ROOT / "build/release/tests/model_bench", str(o.rounds)],
                         capture_output=True, text=True, check=True, env={k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}).stdout
    for r in json.loads(out):
        row(f"{r['model']}: one row", r["ours_us"], "µs", r["peer"], r["peer_us"], r["peer_us"] / r["ours_us"], "–", True)


# ---- a pipeline against scikit-learn ----

def bench_pipeline(o):
    out = subprocess.run(["taskset", "-c", str(LOAD_CORE), PYTHON, ROOT / "bench/pipeline.py", ROOT / "build/release/tests/model_bench", str(o.rounds)],
                         capture_output=True, text=True, check=True).stdout
    for r in json.loads(out):
        row(f"{r['model']}: one row", r["ours_us"], "µs", r["peer"], r["peer_us"], r["peer_us"] / r["ours_us"], f"≤ {r['goal_us']} µs", r["ours_us"] <= r["goal_us"])


# ---- idle memory and start ----

def bench_idle(o):
    with Sibyl() as s:
        time.sleep(3)
        pss = pss_bytes(s.pids()) / 1e6
        row("idle PSS of all processes, one native model", pss, "MB", "goal", 40, pss / 40, "< 40 MB", pss < 40)
        script, sent = ROOT / "bench/predict.lua", 0
        while sent < 100000:
            sent += wrk(s.serving, "/models/iris/predict", 32, 2, script)["requests"]
        folder = s.folder
        s.own_folder = False
    try:
        starts = []
        for _ in range(o.rounds):
            with Sibyl(folder=folder, model=False) as again:
                starts.append(again.ready_seconds * 1e3)
        ms = statistics.median(starts)
        row(f"start to ready with {sent:,} events on disk", ms, "ms", "goal", 300, ms / 300, "< 300 ms", ms < 300)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


BENCHES = {"predict": bench_predict, "overload": lambda o: overload.bench(row, o.seconds), "shadow": lambda o: shadow.bench(row, o), "journal": bench_journal, "registry": bench_registry, "models": bench_models,
           "pipeline": bench_pipeline, "trees": lambda o: trees.bench(row, o.rounds), "search": lambda o: search.bench(row, o.rounds),
           "indexing": lambda o: indexing.bench(row, o), "scoring": bench_scoring, "idle": bench_idle}


def table():
    lines = ["| what | sibyl | peer | ratio | goal | |", "|---|---|---|---|---|---|"]
    for r in ROWS:
        lines.append(f"| {r['what']} | {r['value']:.4g} {r['unit']} | {r['peer']}: {r['peer_value']:.4g} | {r['ratio']:.3g} | {r['goal']} | {'✓' if r['met'] else '✗'} |")
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("benches", nargs="*", help="which (all)", choices=[*BENCHES, []])
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=4, help="of load per round")
    p.add_argument("--json", default=ROOT / "build/bench.json", type=pathlib.Path)
    o = p.parse_args()
    for name in o.benches or BENCHES:
        say(name)
        BENCHES[name](o)
    o.json.parent.mkdir(exist_ok=True)
    o.json.write_text(json.dumps({"cpu": cpu_name(), "cores": os.cpu_count(), "kernel": platform.release(), "rounds": o.rounds, "rows": ROWS}, indent=1))
    print(f"{cpu_name()}, {os.cpu_count()} cores; median of {o.rounds} interleaved rounds\n")
    print(table())


if __name__ == "__main__":
    main()
