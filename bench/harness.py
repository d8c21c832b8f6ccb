"""What the benches share: processes with CPU accounting, load from wrk, interleaved rounds, medians.

Every figure is a ratio against a named peer measured in the same run. Servers are pinned to one core and
the load to the other, so that neither takes time from the other.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIBYL = pathlib.Path(os.environ.get("SIBYL_BIN", ROOT / "build/release/sibyl"))
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "sibyl"
PYTHON = os.environ.get("SIBYL_TEST_PY", str(CACHE / "v3172/bin/python"))
TICK = os.sysconf("SC_CLK_TCK")
SERVER_CORE, LOAD_CORE = 0, (os.cpu_count() or 1) - 1


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def free_offset(ports=(3000, 5000, 8000, 9200)):
    """A port offset at which all of sibyl's ports are free."""
    for offset in range(20000, 50000, 137):
        try:
            with contextlib.ExitStack() as stack:
                for p in ports:
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", p + offset))
            return offset
        except OSError:
            continue
    raise RuntimeError("no free ports")


def wait_for(what, seconds, probe):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            value = probe()
            if value:
                return value
        time.sleep(0.02)
    raise TimeoutError(f"{what}: nothing after {seconds} s")


def get(port, path, timeout=5):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        c.request("GET", path)
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def post(port, path, body, method="POST", content_type="application/json"):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        c.request(method, path, data, {"Content-Type": content_type})
        r = c.getresponse()
        return r.status, r.read()
    finally:
        c.close()


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += [int(p) for p in (task / "children").read_text().split()]
    return found


def tree(pid):
    pids = [pid]
    for p in pids:
        with contextlib.suppress(OSError):
            pids += children(p)
    return pids


def cpu_seconds(pids):
    """User and system time of these processes, all threads."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def pss_bytes(pids):
    total = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1)) * 1024
    return total


def pin(pids, core):
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), {core})


def stop(process, seconds=15):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Sibyl:
    """`sibyl up` in a fresh folder with the sample forest registered and live."""

    def __init__(self, folder=None, model=True, args=()):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="sibyl-bench-", dir=os.environ.get("BENCH_DIR", ROOT / "build")))
        self.own_folder = folder is None
        self.offset = free_offset()
        self.serving, self.registry = 8000 + self.offset, 5000 + self.offset
        self.log = open(self.folder / "log", "ab")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [SIBYL, "up", "--data", self.folder / "data", "--port-offset", str(self.offset), "--serving-threads", "1", *args],
            stdout=self.log, stderr=self.log)
        try:
            wait_for("sibyl", 30, lambda: get(self.serving, "/ready")[0] == 200)
            self.ready_seconds = time.monotonic() - self.started
            if model:
                self.register("iris", ROOT / "share/samples/iris-forest")
        except BaseException:
            self.close()
            raise

    def register(self, name, folder):
        post(self.registry, "/api/2.0/mlflow/registered-models/create", {"name": name})
        run = json.loads(post(self.registry, "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "start_time": int(time.time() * 1000)})[1])["run"]["info"]
        source = run["artifact_uri"] + "/model"
        for f in sorted(pathlib.Path(folder).iterdir()):
            path = source.removeprefix("mlflow-artifacts:/") + "/" + f.name
            post(self.registry, f"/api/2.0/mlflow-artifacts/artifacts/{path}", f.read_bytes(), "PUT", "application/octet-stream")
        status, body = post(self.registry, "/api/2.0/mlflow/model-versions/create", {"name": name, "source": source, "run_id": run["run_id"]})
        if status != 200:
            raise RuntimeError(f"{name} could not be registered: {body}")
        wait_for(f"{name} live", 120, lambda: any(m["name"] == name and "live" in m for m in json.loads(get(self.serving, "/models")[1])["models"]))

    def pids(self):
        return tree(self.process.pid)

    def serving_pids(self):
        """The serving process with what it started."""
        for pid in children(self.process.pid):
            if b"serving" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1:2]:
                return tree(pid)
        raise RuntimeError("no serving process")

    def close(self):
        stop(self.process)
        self.log.close()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Nginx:
    """One nginx worker that answers a constant of about the prediction's size to any request."""

    def __init__(self, body):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sibyl-bench-nginx-"))
        self.port = free_port()
        (self.folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {self.folder}/pid; error_log {self.folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p;
  fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
  server {{ listen 127.0.0.1:{self.port}; location / {{ default_type application/json; return 200 '{body}'; }} }}
}}
""")
        self.process = subprocess.Popen(["nginx", "-c", self.folder / "nginx.conf", "-p", self.folder], stderr=subprocess.DEVNULL)
        wait_for("nginx", 10, lambda: get(self.port, "/")[0] == 200)

    def pids(self):
        return children(self.process.pid)

    def close(self):
        stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wrk(port, path, connections, seconds, script=None):
    """Closed-loop load; {"requests", "rps", "p50_us", "p99_us", "errors"}."""
    command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    if script:
        command += ["-s", str(script)]
    out = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
    unit = {"us": 1, "ms": 1e3, "s": 1e6}
    quantile = lambda q: float(re.search(rf"^\s+{q}%\s+([\d.]+)(us|ms|s)$", out, re.M).group(1)) * unit[re.search(rf"^\s+{q}%\s+([\d.]+)(us|ms|s)$", out, re.M).group(2)]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    return {
        "requests": int(re.search(r"(\d+) requests in", out).group(1)),
        "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
        "p50_us": quantile(50), "p99_us": quantile(99),
        "errors": (int(bad.group(1)) if bad else 0) + (sum(map(int, sockets.groups())) if sockets else 0),
    }


def measured(pids, load):
    """Runs load() and adds the CPU microseconds per request that these processes took."""
    before = cpu_seconds(pids)
    r = load()
    r["cpu_us"] = (cpu_seconds(pids) - before) / max(r["requests"], 1) * 1e6
    if r["errors"]:
        raise RuntimeError(f"{r['errors']} requests failed")
    return r


def median(rows, key):
    return statistics.median(r[key] for r in rows)


def cpu_name():
    return re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text()).group(1)
