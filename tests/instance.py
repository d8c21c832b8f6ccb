"""A running program whose processes are the subject: standard output and error apart, explicit ports,
starts that are meant to fail. (tests/sibyl.py is for tests of what it serves.)"""

import json
import os
import pathlib
import re
import signal
import subprocess

from sibyl import PYTHON, ROOT, SIBYL, free_port, wait_for

SLOW = 10 if os.environ.get("SIBYL_SANITIZER") else 1
SANITIZER = re.compile(r"(?:ERROR: (?:Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:).*")
ROLES = ("serving", "registry", "dashboard", "search")


def until(condition, seconds=10, what="condition"):
    return wait_for(what, seconds * SLOW, condition)


def clean_environment(**extra):
    """Ours without what would configure the program behind the test's back."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("SIBYL_", "MLFLOW_", "AWS_")) and k != "LOG_LEVEL"}
    env.update(MLFLOW_DISABLE_TELEMETRY="true", SIBYL_HOME=str(ROOT), SIBYL_PYTHON=PYTHON)
    env.update(extra)
    return env


def hear_hangups():
    """Tests started by nohup hand its ignored SIGHUP on, which the program honours."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Instance:
    """`sibyl up` (or another long-running command) and what it wrote."""

    def __init__(self, folder, *args, command="up", data=None, env=None, ports=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = pathlib.Path(data or self.folder / "data")
        self.args, self.command = list(args), command
        self.env = clean_environment(**(env or {}))
        self.ports = ports or {k: free_port() for k in ROLES}
        self.prefix = []
        self.process = None
        self.starts = 0

    def command_line(self):
        return [*self.prefix, str(SIBYL), self.command, "--data", str(self.data),
                *[f"--{k}-listen=127.0.0.1:{p}" for k, p in self.ports.items()], *self.args]

    def start(self, ready=True):
        self.starts += 1
        self.out = open(self.folder / f"out-{self.starts}", "w")
        self.err = open(self.folder / f"err-{self.starts}", "w")
        self.process = subprocess.Popen(self.command_line(), env=self.env, stdin=subprocess.DEVNULL,
                                        stdout=self.out, stderr=self.err, start_new_session=True,
                                        preexec_fn=hear_hangups)
        if ready:
            until(lambda: self.exited() or "is ready after" in self.stdout(), 30, "ready")
            assert self.process.poll() is None, self.log()
        return self

    def exited(self):
        return self.process.poll() is not None

    def stdout(self):
        return (self.folder / f"out-{self.starts}").read_text()

    def log(self):
        return (self.folder / f"err-{self.starts}").read_text(errors="replace")

    def url(self, role):
        return f"http://127.0.0.1:{self.ports[role]}"

    @property
    def serving(self):
        return self.url("serving")

    @property
    def registry(self):
        return self.url("registry")

    @property
    def dashboard(self):
        return self.url("dashboard")

    def pid_of(self, role):
        """Of a ready child."""
        state = self.data / "run" / f"{role}.json"
        return json.loads(state.read_text())["pid"]

    def stop(self, sig=signal.SIGTERM, seconds=12):
        """Asks it to stop; its exit code."""
        if not self.exited():
            self.process.send_signal(sig)
        try:
            code = self.process.wait(seconds * SLOW)
        finally:
            self.kill()
        found = SANITIZER.search(self.log())
        assert not found, f"{found.group(0)}\n{self.log()[-8000:]}"
        return code

    def kill(self):
        """What may be left of its session, at once."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.out.close()
        self.err.close()


def run(*args, env=None, seconds=20, cwd=None):
    """One short command of the program: its CompletedProcess with text."""
    return subprocess.run([str(SIBYL), *map(str, args)], env=clean_environment(**(env or {})), cwd=cwd,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=seconds * SLOW)
