"""kill -9 of the whole program under load: what was answered is in the journal, once."""
import http.client
import json
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from checker import check
from sibyl import ROOT, Sibyl

KILLS = int(os.environ.get("SIBYL_KILLS", "300"))
CLIENTS = 6
BODIES = [json.dumps({"sepal_length": 4 + i / 10, "sepal_width": 3.1, "petal_length": i / 4, "petal_width": i / 20}) for i in range(40)]


class Client(threading.Thread):
    """Sends predictions over one connection until the server is gone; logs the outcome of each."""

    def __init__(self, port, name, driven, stopped):
        super().__init__()
        self.port, self.label, self.driven, self.stopped = port, name, driven, stopped

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.connect()
        except OSError:
            return  # killed before this client was there: nothing was sent
        for i in range(1000000):
            if self.stopped.is_set():
                return
            request_id, outcome = f"{self.label}-{i}", "unknown"
            try:
                connection.request("POST", "/models/iris/predict", BODIES[i % len(BODIES)], {"Content-Type": "application/json", "X-Request-ID": request_id})
                answer = connection.getresponse()
                answer.read()
                outcome = "ok" if answer.status == 200 else "rejected"
            except (OSError, http.client.HTTPException):
                return
            finally:
                self.driven.append((request_id, outcome))


def trial(s, name, driven, rng):
    """Load, kill, start again. Whether a request was in flight at the kill."""
    before, stopped = len(driven), threading.Event()
    clients = [Client(s.serving, f"{name}-{c}", driven, stopped) for c in range(CLIENTS)]
    for c in clients:
        c.start()
    time.sleep(rng.uniform(0.01, 0.12))
    s.kill()
    stopped.set()
    for c in clients:
        c.join()
    s.start()
    return any(outcome == "unknown" for _, outcome in driven[before:])


def test_300_kills_under_load_lose_and_double_nothing():
    seed = int(os.environ.get("SIBYL_SEED", time.time_ns() % 1000000))
    print(f"seed {seed}: SIBYL_SEED={seed} repeats the times of the kills")
    rng, driven, counted, tries = random.Random(seed), [], 0, 0
    with Sibyl("--serving-threads", "2") as s:
        s.register("iris", ROOT / "share/samples/iris-forest")
        while counted < KILLS:
            tries += 1
            assert tries < KILLS * 2, "too few kills found a request in flight"
            counted += trial(s, f"t{tries}", driven, rng)
        lines = s.cli("events", "tail", "--json", "-n", "1000000").stdout.splitlines()
        journal = [(i, json.loads(line)["request_id"]) for i, line in enumerate(lines)]
        bad = check(driven, journal)
        acked = sum(o == "ok" for _, o in driven)
        print(f"{counted} kills, {len(driven)} sent, {acked} answered, {len(journal)} events, {len(bad)} violations")
        assert not bad, bad[:20]
        assert acked > KILLS * 5, "the load was too small to mean anything"
