"""Servers for client tests: our MLflow API alone, and the real `mlflow server`. Each in a folder of its own,
on a free port, ended by its own pid."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from sibyl import CACHE, PYTHON, free_port, wait_for  # noqa: E402

VARIANT = os.environ.get("SIBYL_SANITIZER") or "release"
PYTHONS = {
    "3.17.2": PYTHON,
    "3.1.1": os.environ.get("SIBYL_TEST_PY_311", str(CACHE / "v311/bin/python")),
    "2.22": os.environ.get("SIBYL_TEST_PY_222", str(CACHE / "v222/bin/python")),
}


def environment(**extra):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "SIBYL_"))}
    env.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", GIT_PYTHON_REFRESH="quiet",
               PYTHONWARNINGS="ignore", OMP_NUM_THREADS="1", **extra)
    return env


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Server:
    """A process that listens; `call` keeps one connection."""

    patience = 20  # seconds to end in

    def __init__(self, folder=None):
        self.temp = None if folder else tempfile.TemporaryDirectory(prefix="clients-")
        self.folder = pathlib.Path(folder or self.temp.name)
        self.process = self.connection = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def spawn(self, command, **kw):
        self.log_file = open(self.folder / "log", "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log_file,
                                        stderr=self.log_file, start_new_session=True, **kw)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def wait(self, seconds):
        def probe():
            assert self.process.poll() is None, self.log()
            return self.call("GET", "/health").status == 200
        wait_for(str(self.process.args[0]), seconds, probe)
        return self

    def call(self, method, path, body=None, query=None, headers=None, raw=None):
        """One request; body is JSON, raw is bytes or an iterable of them."""
        headers = dict(headers or {})
        if body is not None:
            raw = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        for attempt in (0, 1):
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                self.connection.request(method, path, body=raw, headers=headers)
                r = self.connection.getresponse()
                return Answer(r.status, r.headers, r.read())
            except (ConnectionError, http.client.RemoteDisconnected):
                self.connection.close()
                self.connection = None  # a keep-alive that ended meanwhile: once more
                if attempt:
                    raise

    def copy_database(self, to):
        """A consistent copy while the server runs (its newest pages may be in the WAL)."""
        with contextlib.closing(sqlite3.connect(self.folder / "mlflow.db")) as a, \
                contextlib.closing(sqlite3.connect(to)) as b:
            a.backup(b)

    def stop(self):
        """SIGTERM; the exit status. The real server's children are in its process group."""
        if self.connection:
            self.connection.close()
            self.connection = None
        if not self.process:
            return 0
        status = self.process.poll()
        if status is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                status = self.process.wait(self.patience)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                status = self.process.wait(20)
        self.process = None
        self.log_file.close()
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()
        if self.temp:
            self.temp.cleanup()


def binary():
    """registry_server, built when it is not up to date (SIBYL_REGISTRY_SERVER names another one)."""
    if "SIBYL_REGISTRY_SERVER" in os.environ:
        return os.environ["SIBYL_REGISTRY_SERVER"]
    out = os.environ.get("SIBYL_BUILD_DIR", "build")
    path = os.path.join(out, VARIANT, "tests", "registry_server")
    built = subprocess.run(["make", "V=" + VARIANT, "O=" + out, path], cwd=ROOT, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert built.returncode == 0, built.stdout[-3000:]
    return str(ROOT / path)


class Ours(Server):
    def start(self):
        self.spawn([binary(), str(self.folder), str(self.port)], env=environment())
        return self.wait(20)

    def memory(self):
        """Resident and proportional set, bytes."""
        rss = pss = 0
        for line in open(f"/proc/{self.process.pid}/smaps_rollup"):
            if line.startswith("Rss:"):
                rss = int(line.split()[1]) << 10
            if line.startswith("Pss:"):
                pss = int(line.split()[1]) << 10
        return rss, pss


class Real(Server):
    """mlflow server 3.17.2 with one worker. Starting takes most of a minute: `launch`, then `wait`."""

    patience = 2

    def launch(self):
        self.spawn([PYTHON, "-m", "mlflow", "server", "--backend-store-uri",
                    f"sqlite:///{self.folder}/mlflow.db", "--artifacts-destination",
                    str(self.folder / "artifacts"), "--host", "127.0.0.1", "--port", str(self.port),
                    "--workers", "1"], env=environment(), cwd=self.folder)
        return self

    def start(self):
        return self.launch().wait(180)


def run_python(python, script, *args, seconds=300, env=None):
    """The script's standard output; its standard error is shown when it fails."""
    r = subprocess.run([python, str(script), *map(str, args)], env=environment(**(env or {})), capture_output=True,
                       text=True, timeout=seconds, cwd=tempfile.gettempdir())
    assert r.returncode == 0, f"{python} {script}: {r.returncode}\n{r.stdout[-3000:]}\n{r.stderr[-6000:]}"
    return r.stdout


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
