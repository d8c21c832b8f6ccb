"""The program under test, from outside: `sibyl up` in a folder of its own on free ports, and an HTTP client."""
import contextlib
import fcntl
import functools
import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIBYL = pathlib.Path(os.environ.get("SIBYL_BIN", ROOT / "build/release/sibyl"))
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "sibyl"
PYTHON = os.environ.get("SIBYL_TEST_PY", str(CACHE / "v3172/bin/python"))
PORTS = {"dashboard": 3000, "registry": 5000, "serving": 8000, "search": 9200}


class Ports:
    """Ports of this process. Test processes run side by side, and a port that one found free may be taken by another
    before it listens, so each holds the lock of a range of its own. All are below those that the system gives to
    outgoing connections, which may take one in that moment too. None is given again while connections to it linger."""

    SLOTS, SINGLE, OFFSETS = 20, 230, 59  # 20 * 59 offsets in a row are less than the distance of any two of PORTS

    def __init__(self):
        for slot in itertools.cycle(range(self.SLOTS)):
            self.lock = open(pathlib.Path(tempfile.gettempdir()) / f"sibyl-test-ports-{slot}", "w")
            with contextlib.suppress(OSError):
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            self.lock.close()
            time.sleep(0.01)
        self.single = itertools.cycle(range(18400 + slot * self.SINGLE, 18400 + (slot + 1) * self.SINGLE))
        self.offset = itertools.cycle([first + slot * self.OFFSETS + i for first in (8000, 20000) for i in range(self.OFFSETS)])

    @staticmethod
    def first_free(candidates, ports):
        for candidate in itertools.islice(candidates, 1000):
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                for port in ports(candidate):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                return candidate
        raise RuntimeError("no free ports")


@functools.cache
def own_ports():
    return Ports()


def free_port():
    return Ports.first_free(own_ports().single, lambda port: [port])


def free_offset():
    """A port offset at which all of sibyl's ports are free."""
    return Ports.first_free(own_ports().offset, lambda offset: [port + offset for port in PORTS.values()])


def wait_for(what, seconds, probe):
    """The first true answer of probe(); connection failures count as not yet."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            value = probe()
            if value:
                return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.03)


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:500]!r}>"


def request(port, method, path, body=None, headers=None, timeout=30):
    """One request on a connection of its own. body: bytes as they are, anything else as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def children(pid):
    found = []
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            found += [int(p) for p in (task / "children").read_text().split()]
    return found


def tree(pid):
    """pid and all its descendants."""
    pids = [pid]
    for p in pids:
        pids += children(p)
    return pids


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


class Sibyl:
    """`sibyl up`. Keeps its folder when one is given, else removes it at the end."""

    def __init__(self, *args, folder=None, env=None, wait=True):
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="sibyl-test-"))
        self.data = self.folder / "data"
        self.offset = free_offset()
        self.args, self.env = args, {**os.environ, "SIBYL_HOME": str(ROOT), "SIBYL_PYTHON": PYTHON, "MLFLOW_DISABLE_TELEMETRY": "true", **(env or {})}
        for name, port in PORTS.items():
            setattr(self, name, port + self.offset)
        self.process = None
        self.start(wait)

    def start(self, wait=True):
        begin = time.monotonic()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([SIBYL, "up", "--data", self.data, "--port-offset", str(self.offset), *self.args], stdout=log, stderr=log, env=self.env)
        if wait:
            try:
                wait_for("sibyl", 60, self.is_ready)
            except BaseException:
                self.close()
                raise
        self.ready_seconds = time.monotonic() - begin

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"sibyl ended with {self.process.returncode}:\n{self.log()[-4000:]}")
        files = all((self.data / "run" / f"{role}.json").exists() for role in ("serving", "platform"))  # written last
        return files and all(request(port, "GET", path, timeout=5).status == 200 for port, path in [(self.serving, "/ready"), (self.registry, "/health"), (self.dashboard, "/health")])

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self, seconds=15):
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        """kill -9 of everything at once, as when the machine loses power but for the disk's cache."""
        pids = tree(self.process.pid)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        for pid in tree(self.process.pid) + pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        # the children are init's now: their ports are free once they are gone
        wait_for("the end of all processes", 20, lambda: not any(command_of(pid)[0:1] > [""] for pid in pids))
        # a process of many threads looks ended before its last thread has let go of the sockets
        wait_for("free ports", 20, lambda: all(self.can_listen(port + self.offset) for port in PORTS.values()))

    @staticmethod
    def can_listen(port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            probe.listen()
        return True

    def close(self):
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- processes ----

    def role_pid(self, role):
        """The child that runs `sibyl serving` or `sibyl platform`."""
        return wait_for(role, 20, lambda: next((p for p in children(self.process.pid) if role in command_of(p)[1:2]), None))

    def worker_pids(self):
        return [p for p in tree(self.role_pid("serving")) if any("sibyl_worker.py" in a for a in command_of(p))]

    # ---- clients ----

    def post(self, path, body=None, **kw):
        return request(self.serving, "POST", path, body, **kw)

    def get(self, path, **kw):
        return request(self.serving, "GET", path, **kw)

    def mlflow(self, method, path, body=None, **kw):
        answer = request(self.registry, method, "/api/2.0/mlflow/" + path, body, **kw)
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer}")
        return answer.json()

    def model(self, name):
        return next((m for m in self.get("/models").json()["models"] if m["name"] == name), {})

    def register(self, name, folder, alias=None, wait=120):
        """Uploads a model folder as a new version; its number. Waits until it is live when it should be."""
        if request(self.registry, "GET", f"/api/2.0/mlflow/registered-models/get?name={urllib.parse.quote(name)}").status == 404:
            self.mlflow("POST", "registered-models/create", {"name": name})
        run = self.mlflow("POST", "runs/create", {"experiment_id": "0", "start_time": int(time.time() * 1000)})["run"]["info"]
        source = run["artifact_uri"] + "/model"
        folder = pathlib.Path(folder)
        for f in sorted(p for p in folder.rglob("*") if p.is_file()):
            path = source.removeprefix("mlflow-artifacts:/") + "/" + str(f.relative_to(folder))
            answer = request(self.registry, "PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", f.read_bytes(), headers={"Content-Type": "application/octet-stream"})
            if answer.status != 200:
                raise RuntimeError(f"{f}: {answer}")
        version = self.mlflow("POST", "model-versions/create", {"name": name, "source": source, "run_id": run["run_id"]})["model_version"]["version"]
        if alias:
            self.alias(name, alias, version)
        if wait:
            self.wait_live(name, version, wait)
        return version

    def alias(self, name, alias, version):
        self.mlflow("POST", "registered-models/alias", {"name": name, "alias": alias, "version": str(version)})

    def wait_live(self, name, version, seconds=120):
        def live():
            m = self.model(name)
            if m.get("failed_version") == str(version):
                raise RuntimeError(f"{name} {version}: {m['failure']}")
            return m.get("live", {}).get("version") == str(version) and m
        return wait_for(f"{name} {version} live", seconds, live)

    def cli(self, *args, check=True):
        r = subprocess.run([SIBYL, *args, "--data", self.data], capture_output=True, text=True, timeout=120, env=self.env)
        if check and r.returncode != 0:
            raise RuntimeError(f"sibyl {' '.join(map(str, args))} ended with {r.returncode}: {r.stderr}")
        return r

    def event(self, event_id):
        return json.loads(self.cli("events", "show", event_id).stdout)
