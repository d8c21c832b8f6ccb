"""Idempotency-Key: a request sent again gets the stored answer and makes no second event, also across
kills; and W3C traces that go on."""
import http.client
import json
import random
import re
import threading
import time

import pytest
from sibyl import Sibyl, wait_for

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
PATH = "/models/iris/predict"


def post(s, key, body=ROW, path=PATH, **headers):
    return s.post(path, body, headers={"Idempotency-Key": key, **headers})


def events(s, request_id=None):
    lines = s.cli("events", "tail", "--json", "-n", "1000000").stdout.splitlines()
    return [e for e in map(json.loads, lines) if request_id is None or e["request_id"] == request_id]


def replays(s, result="replayed"):
    return int(re.search(r'sibyl_idempotent_requests_total\{result="%s"\} (\d+)' % result, s.get("/metrics").body.decode()).group(1))


@pytest.mark.san
@pytest.mark.parametrize("path, body", [
    (PATH, ROW), (PATH, [ROW] * 3), (PATH, [ROW] * 3000), ("/models/iris/invocations", {"dataframe_records": [ROW, ROW]}), (PATH, {**ROW, "petal_width": "wide"}),
    (PATH, [ROW, {**ROW, "petal_width": "wide"}]), (PATH, "not JSON"),
], ids=["a row", "rows", "many rows", "MLflow", "a refused row", "a refused batch", "not JSON"])
def test_the_same_request_again_gets_the_same_answer_and_no_event(served, path, body, request):
    name = "again-" + request.node.callspec.id
    before = replays(served)
    first = post(served, name, body, path, **{"X-Request-ID": name.replace(" ", "-")})
    made = len(events(served, name.replace(" ", "-")))
    assert first.status in (200, 400) and "Idempotency-Replayed" not in first.headers and made >= 1
    for request_id in ["other", "another"]:
        again = post(served, name, body, path, **{"X-Request-ID": request_id})
        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["Idempotency-Replayed"] == "true"
        for header in ["X-Event-ID", "X-Request-ID", "X-Model-Version", "Content-Type"]:
            assert again.headers[header] == first.headers[header], header
        assert not events(served, request_id)
    assert len(events(served, name.replace(" ", "-"))) == made
    assert replays(served) == before + 2


@pytest.mark.san
def test_a_key_belongs_to_one_request(served):
    assert post(served, "one").status == 200
    before = replays(served, "mismatch")
    other = post(served, "one", {**ROW, "petal_width": 2.0})
    assert other.status == 422 and "Idempotency-Key" in other.json()["error"]["message"]
    assert served.event(other.headers["X-Event-ID"])["http_status"] == 422
    assert replays(served, "mismatch") == before + 1
    # the address is part of it: there it is a key of its own
    there = post(served, "one", {"dataframe_records": [ROW]}, "/models/iris/invocations")
    assert there.status == 200 and "Idempotency-Replayed" not in there.headers
    assert post(served, "one").headers["Idempotency-Replayed"] == "true"


def test_a_key_is_checked(served):
    for bad in ["", "x" * 256, "caf\xe9"]:
        answer = post(served, bad)
        assert answer.status == 400 and "255" in answer.json()["error"]["message"], bad
    assert post(served, "x" * 255).status == 200


def test_what_does_not_fit_together_is_refused_before_it_is_recorded(served):
    answer = post(served, "large", [ROW] * 20000, **{"X-Request-ID": "large"})
    assert answer.status == 413 and "fewer rows" in answer.json()["error"]["message"]
    made = events(served, "large")
    assert len(made) == 1 and made[0]["status"] == "invalid"
    assert served.post(PATH, [ROW] * 20000).status == 200


@pytest.mark.san
def test_while_the_first_is_answered_the_second_is_told_to_wait(fresh, model_folder):
    s = fresh
    s.register("moody", model_folder / "moody")
    path, body, answers = "/models/moody/predict", {"action": "sleep", "x": 1.0}, []
    two = [threading.Thread(target=lambda: answers.append(post(s, "slow", body, path))) for _ in range(2)]
    for t in two:
        t.start()
    for t in two:
        t.join()
    busy, first = sorted(answers, key=lambda a: -a.status)
    assert (first.status, busy.status) == (200, 409), answers
    assert busy.headers["Retry-After"] == "1" and "right now" in busy.json()["error"]["message"]
    again = post(s, "slow", body, path)
    assert (again.status, again.body, again.headers["Idempotency-Replayed"]) == (200, first.body, "true")
    assert len(events(s)) == 1 and replays(s, "conflict") == 1


def test_a_failure_that_may_pass_is_tried_again(fresh, model_folder):
    s = fresh
    s.register("moody", model_folder / "moody")
    for made in [1, 2]:
        assert post(s, "exit", {"action": "exit", "x": 3}, "/models/moody/predict").status == 503
        assert [e["status"] for e in events(s)] == ["error"] * made


def test_after_the_window_a_key_is_new(model_folder):
    with Sibyl("--serving-idempotency-window", "1s") as s:
        s.register("iris", model_folder / "forest")
        first = post(s, "k")
        assert post(s, "k").headers["Idempotency-Replayed"] == "true"
        time.sleep(1.2)  # the window itself
        later = post(s, "k")
        assert later.status == 200 and "Idempotency-Replayed" not in later.headers
        assert later.headers["X-Event-ID"] != first.headers["X-Event-ID"] and len(events(s)) == 2


def test_without_a_window_keys_are_not_looked_at(model_folder):
    with Sibyl("--serving-idempotency-window", "0") as s:
        s.register("iris", model_folder / "forest")
        assert post(s, "k").headers["X-Event-ID"] != post(s, "k").headers["X-Event-ID"]


class Retrying(threading.Thread):
    """Sends each request until it is answered, as a client behind a retry policy does."""

    def __init__(self, s, name, stopped):
        super().__init__()
        self.s, self.label, self.stopped, self.answers, self.connection = s, name, stopped, {}, None

    def once(self, key, body):
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.s.serving, timeout=20)
        self.connection.request("POST", PATH, body, {"Content-Type": "application/json", "Idempotency-Key": key})
        answer = self.connection.getresponse()
        return answer.status, answer.headers.get("X-Event-ID"), answer.read()

    def run(self):
        i = 0
        while not self.stopped.is_set():
            key, rows = f"{self.label}-{i}", [{**ROW, "petal_width": i / 10}] * (1 + i % 3)
            i += 1
            while key not in self.answers:
                try:
                    status, event, body = self.once(key, json.dumps(rows))
                except (OSError, http.client.HTTPException):
                    self.connection = None
                    time.sleep(0.01)
                    continue
                if status == 200:
                    self.answers[key] = (event, len(rows), body)
                else:
                    assert status in (409, 503), (status, body)
                    time.sleep(0.01)


def test_retries_across_kills_are_answered_once_and_recorded_once(model_folder):
    seed = time.time_ns() % 1000000
    print(f"seed {seed}")
    rng, stopped = random.Random(seed), threading.Event()
    with Sibyl("--serving-threads", "2") as s:
        s.register("iris", model_folder / "forest")
        clients = [Retrying(s, f"c{c}", stopped) for c in range(4)]
        for c in clients:
            c.start()
        for _ in range(12):
            time.sleep(rng.uniform(0.05, 0.3))
            s.kill()
            s.start()
        stopped.set()
        for c in clients:
            c.join()
        answers = {k: a for c in clients for k, a in c.answers.items()}
        assert len(answers) > 200
        made = [e["event_id"] for e in events(s) if e["status"] == "ok"]
        assert len(made) == sum(rows for _, rows, _ in answers.values())
        assert {event for event, _, _ in answers.values()} <= set(made)
        for key in rng.sample(sorted(answers), 20):
            c, i = key.split("-")
            again = post(s, key, json.dumps([{**ROW, "petal_width": int(i) / 10}] * (1 + int(i) % 3)))
            assert (again.headers["X-Event-ID"], again.body) == (answers[key][0], answers[key][2])


# ---- traces ----

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_goes_on_with_a_span_of_its_own(served):
    spans = set()
    for _ in range(3):
        answer = served.post(PATH, ROW, headers={"traceparent": TRACE})
        version, trace, span, flags = answer.headers["traceparent"].split("-")
        assert (version, trace, flags) == ("00", TRACE[3:35], "01") and re.fullmatch("[0-9a-f]{16}", span) and span != TRACE[36:52]
        e = served.event(answer.headers["X-Event-ID"])
        assert e["traceparent"] == answer.headers["traceparent"] and e["parent_id"] == "b7ad6b7169203331"
        spans.add(span)
    assert len(spans) == 3
    later = served.post(PATH, ROW, headers={"traceparent": "01" + TRACE[2:] + "-more"})
    assert later.headers["traceparent"].startswith(TRACE[:36])


def test_a_malformed_trace_is_left_alone(served):
    for bad in ["", TRACE[:-1], TRACE.upper(), "\xff" * 55]:
        answer = served.post(PATH, ROW, headers={"traceparent": bad})
        assert answer.status == 200 and "traceparent" not in answer.headers
        assert "traceparent" not in served.event(answer.headers["X-Event-ID"])
