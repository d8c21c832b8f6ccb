"""What was answered, what is recorded and what the index finds stay the same numbers, whatever is killed or deleted."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import models
from sibyl import Sibyl, request, wait_for

EVENTS = int(os.environ.get("SIBYL_AUDIT_EVENTS", "100000"))
KILLS = int(os.environ.get("SIBYL_AUDIT_KILLS", "20"))
ROWS, CLIENTS = 50, 3
ROW = {"sepal_length": 5.1, "sepal_width": 3.1, "petal_length": 1.2, "petal_width": 0.2}
BODY = json.dumps([ROW] * ROWS)


class Client(threading.Thread):
    """Sends batches until told to stop; keeps the ids of those that were answered with 200."""

    def __init__(self, port, name, stop):
        super().__init__()
        self.port, self.label, self.stop, self.answered, self.sent = port, name, stop, [], 0

    def run(self):
        connection = None
        while not self.stop.is_set():
            try:
                if not connection:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                self.sent += 1
                rid = f"{self.label}-{self.sent}"
                connection.request("POST", "/models/iris/predict", BODY, {"Content-Type": "application/json", "X-Request-ID": rid})
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    self.answered.append(rid)
            except (OSError, http.client.HTTPException):
                connection = None
                self.stop.wait(0.01)  # it is being started again


def count(s, query):
    answer = request(s.search_port, "POST", "/predictions/_count", {"query": query})
    assert answer.status == 200, answer
    return answer.json()["count"]


def kill_one(s, role):
    pid = s.role_pid(role)
    os.kill(pid, signal.SIGKILL)
    wait_for(f"another {role}", 20, lambda: s.role_pid(role) != pid)
    wait_for("ready again", 30, s.is_ready)


def test_books_are_equal_after_kills_and_a_deleted_index():
    with Sibyl() as s:
        s.search_port = 9200 + s.offset
        s.register("iris", models.folder() / "forest", alias="production")
        stop = threading.Event()
        clients = [Client(s.serving, f"c{i}", stop) for i in range(CLIENTS)]
        for c in clients:
            c.start()
        try:
            for role in ("serving", "platform"):  # the other one goes on meanwhile
                kill_one(s, role)
            for i in range(1, KILLS):  # all at once: the supervisor would wait longer after each death
                time.sleep(0.05)
                s.kill()
                if i == KILLS // 2:
                    shutil.rmtree(s.data / "index")
                s.start()
            wait_for("the load", 120, lambda: sum(len(c.answered) for c in clients) * ROWS >= EVENTS)
        finally:
            stop.set()
            for c in clients:
                c.join()
        r = s.cli("audit", "--json", check=False)
        doc = json.loads(r.stdout)
        answered = [rid for c in clients for rid in c.answered]
        assert r.returncode == 0 and doc["equal"], {k: v for k, v in doc.items() if k != "groups"}
        assert doc["answered"] == doc["journalled"] == doc["indexed"] >= len(answered) * ROWS >= EVENTS
        # the clients' own book: every row of every answer is found once
        for at in range(0, len(answered), 500):
            part = answered[at:at + 500]
            assert count(s, {"terms": {"request_id.keyword": part}}) == len(part) * ROWS
        verified = json.loads(s.cli("audit", "--verify", "--json").stdout)
        assert all(t["ok"] for t in verified), verified


def test_a_lost_record_is_told():
    """The control: records taken out of the journal are seen."""
    with Sibyl("--journal-segment-size", "1MiB") as s:
        s.register("iris", models.folder() / "forest", alias="production")
        for _ in range(100):
            assert s.post("/models/iris/predict", [ROW] * 50).status == 200
        time.sleep(1.1)  # what is missing in the last second of a run counts as in flight
        assert s.post("/models/iris/predict", ROW).status == 200
        logs = sorted((s.data / "journal/predictions").glob("*.log"))
        assert len(logs) > 3
        assert s.stop() == 0
        lost = int(logs[2].stem) - int(logs[1].stem)
        logs[1].unlink()
        r = s.cli("audit", "--json", "--journal-only", check=False)
        doc = json.loads(r.stdout)
        assert r.returncode == 1 and doc["answered"] - doc["journalled"] == lost
        assert [g["to"] - g["from"] for g in doc["not_journalled"]] == [lost]
