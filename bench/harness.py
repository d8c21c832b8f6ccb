"""What the benches share: processes with CPU accounting, load from wrk, interleaved rounds, medians.

Every figure is a ratio against a named peer measured in the same run. Servers are pinned to one core and
the load to the other, so that neither takes time from the other.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import sibyl  # noqa: E402
from sibyl import PYTHON, children, free_port, request, tree, wait_for  # noqa: E402,F401

TICK = os.sysconf("SC_CLK_TCK")
SERVER_CORE, LOAD_CORE = 0, (os.cpu_count() or 1) - 1


def say(text):
    print(text, file=sys.stderr, flush=True)


def get(port, path, timeout=5):
    a = request(port, "GET", path, timeout=timeout)
    return a.status, a.body


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


class Sibyl(sibyl.Sibyl):
    """`sibyl up` with one loop, on the disk of the project's folder, with the sample forest live as "iris"."""

    def __init__(self, folder=None, model=True, args=()):
        made = folder is None
        (ROOT / "build").mkdir(exist_ok=True)
        folder = folder or tempfile.mkdtemp(prefix="sibyl-bench-", dir=os.environ.get("BENCH_DIR", ROOT / "build"))
        super().__init__("--serving-threads", "1", *args, folder=folder)
        self.own_folder = made
        if model:
            self.register("iris", ROOT / "share/samples/iris-forest")

    def pids(self):
        return tree(self.process.pid)

    def serving_pids(self):
        """The serving process with what it started."""
        return tree(self.role_pid("serving"))


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
