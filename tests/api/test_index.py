"""The indexes follow the journal: everything is found, soon, and again after whatever happens to them."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import threading
import time

import pytest
from sibyl import Sibyl, request, wait_for

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
SLOW = 10 if os.environ.get("SIBYL_SANITIZER") else 1


def index_of(s, name="predictions"):
    return next(x for x in request(s.dashboard, "GET", "/api/indexes").json()["indexes"] if x["name"] == name)


def count(s, query=None, index="predictions"):
    answer = request(s.search, "POST", f"/{index}/_count", {"query": query or {"match_all": {}}})
    assert answer.status == 200, answer
    return answer.json()["count"]


def search(s, body, index="predictions"):
    answer = request(s.search, "POST", f"/{index}/_search", body)
    assert answer.status == 200, answer
    return answer.json()


def recorded(s):
    """First and next offset of the journal."""
    journal = s.get("/health").json()["journal"]
    return journal["first_offset"], journal["next_offset"]


def wait_for_all(s, seconds=30):
    """All that is recorded now can be found, once each."""
    first, end = recorded(s)
    wait_for(f"{end - first} documents", seconds * SLOW, lambda: count(s) >= end - first)
    first, end = recorded(s)
    wait_for("no lag", seconds * SLOW, lambda: index_of(s)["lag"] == 0)
    assert count(s) == end - first
    return end - first


def predict(s, rows, at_once=1000):
    for n in range(0, rows, at_once):
        answer = s.post("/models/iris/predict", [ROW] * min(at_once, rows - n))
        assert answer.status == 200, answer


@contextlib.contextmanager
def steadily(action):
    """Runs action() on a thread again and again; its results, and what it raised is raised at the end."""
    results, problems, over = [], [], threading.Event()

    def run():
        try:
            while not over.is_set():
                results.append(action())
        except BaseException as e:  # noqa: B902: told by the test's own thread
            problems.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield results
    finally:
        over.set()
        thread.join()
    if problems:
        raise problems[0]


@pytest.fixture(scope="module")
def filled(model_folder):
    """A platform with some events; tests may do with its indexes what they like."""
    with Sibyl() as s:
        s.register("iris", model_folder / "forest", alias="production")
        predict(s, 20000)
        wait_for_all(s)
        yield s
        assert s.stop() == 0, s.log()[-4000:]


@pytest.mark.san
def test_a_prediction_is_found_within_a_second_of_its_answer(served):
    slowest = 0
    for i in range(10):
        time.sleep(0.07 * (i % 5))  # at any time between two looks of the indexer
        user = f"u{time.monotonic_ns()}"
        answer = served.post("/models/iris/predict", ROW, headers={"X-User-Id": user})
        answered = time.monotonic()
        query = {"size": 1, "query": {"term": {"user": user}}}
        hits = wait_for("the event", 10 * SLOW, lambda: search(served, query)["hits"]["hits"])
        slowest = max(slowest, time.monotonic() - answered)
        assert hits[0]["_id"] == answer.headers["X-Event-ID"] == hits[0]["_source"]["event_id"]
    assert hits[0]["_source"] == served.event(hits[0]["_id"])
    assert slowest < 1 * SLOW


def test_what_the_index_says_of_itself_agrees_with_the_journal(filled):
    total = wait_for_all(filled)
    x = index_of(filled)
    assert (x["state"], x["documents"], x["next_offset"], x["quarantined"]) == ("current", total, total, 0)
    health = request(filled.dashboard, "GET", "/health")
    assert health.status == 200 and health.json()["status"] == "healthy"
    assert [i["name"] for i in health.json()["indexes"]] == ["predictions", "metrics", "audit"]
    for port in (filled.dashboard, filled.registry):
        text = request(port, "GET", "/metrics").body.decode()
        assert f'sibyl_index_documents{{index="predictions"}} {total}\n' in text
        assert 'sibyl_index_lag_events{index="predictions"} 0\n' in text


@pytest.mark.san
def test_nothing_is_missing_after_platform_was_killed_under_load(fresh, model_folder):
    s = fresh
    s.register("iris", model_folder / "forest", alias="production")
    with steadily(lambda: predict(s, 50, at_once=50)) as answered:
        for _ in range(3):
            before = len(answered)
            wait_for("more answers", 20 * SLOW, lambda: len(answered) > before + 20)
            pid = s.role_pid("platform")
            os.kill(pid, signal.SIGKILL)
            wait_for("platform again", 30 * SLOW, lambda: s.role_pid("platform") != pid and request(s.search, "GET", "/").status == 200)
    assert wait_for_all(s) == 50 * len(answered)
    ids = search(s, {"size": 0, "aggs": {"ids": {"cardinality": {"field": "event_id.keyword"}}}})["aggregations"]["ids"]["value"]
    assert abs(ids - 50 * len(answered)) <= (0 if 50 * len(answered) <= 10000 else 0.02 * ids)


@pytest.mark.san
def test_an_index_that_was_deleted_is_built_again(filled):
    s = filled
    total = wait_for_all(s)
    with steadily(lambda: count(s)) as counts:
        shutil.rmtree(s.data / "index")
        wait_for("a rebuild", 30 * SLOW, lambda: index_of(s)["rebuilds"] >= 1 and not index_of(s)["rebuilding"])
    assert min(counts) == max(counts) == total, "the old index answers until the new one is complete"
    predict(s, 10)
    assert wait_for_all(s) == total + 10
    wait_for("the others", 30 * SLOW, lambda: all((s.data / "index" / n / "current").exists() for n in ("metrics", "audit")))
    assert s.stop() == 0
    shutil.rmtree(s.data / "index")
    s.start()
    assert wait_for_all(s) == total + 10


@pytest.mark.san
def test_a_damaged_segment_is_set_aside_and_built_again_while_serving(filled):
    s = filled
    wait_for_all(s)
    assert s.stop() == 0  # writes what was in memory only
    largest = max((s.data / "index/predictions").rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 0x40
    largest.write_bytes(data)
    s.start()
    predict(s, 100)
    total = wait_for_all(s)
    x = index_of(s)
    assert (x["quarantined"], x["documents"]) == (1, total)
    assert largest.name in [p.name for p in (s.data / "index/predictions").rglob("quarantine/*")]
    assert search(s, {"size": 0, "aggs": {"m": {"terms": {"field": "model.keyword"}}}})["aggregations"]["m"]["buckets"] == [{"key": "iris", "doc_count": total}]


@pytest.mark.san
def test_reindex_while_searches_go_on(filled):
    s = filled
    total = wait_for_all(s)
    generation = (s.data / "index/predictions/current").read_text()
    with steadily(lambda: count(s)) as counts, steadily(lambda: predict(s, 10, at_once=10)) as more:
        r = s.cli("reindex", "--json")
        done = [json.loads(line) for line in r.stdout.splitlines()]
    assert [d["index"] for d in done] == ["predictions", "metrics", "audit"] and done[0]["documents"] >= total
    assert counts == sorted(counts) and counts[0] >= total, "a rebuild never takes away what was there"
    assert wait_for_all(s) == total + 10 * len(more)
    assert int((s.data / "index/predictions/current").read_text()) == int(generation) + 1
    assert [p.name for p in (s.data / "index/predictions").iterdir() if p.is_dir()] == [str(int(generation) + 1)]


def test_reindex_names_what_is_wrong(filled, tmp_path):
    r = filled.cli("reindex", "--index", "nothing", check=False)
    assert r.returncode == 2 and "there is no such index (predictions, metrics, audit)" in r.stderr
    answer = request(filled.dashboard, "POST", "/api/indexes/nothing/rebuild")
    assert answer.status == 404 and 'there is no index \\"nothing\\"' in answer.body.decode()
    assert request(filled.dashboard, "POST", "/api/indexes/predictions/rebuild", headers={"Origin": "http://evil.example"}).status == 403


def test_reindex_works_without_a_platform(filled):
    s = filled
    total = wait_for_all(s)
    assert s.stop() == 0
    r = s.cli("reindex", "--index", "predictions")
    assert r.stdout.startswith(f"predictions: {total} documents in ")
    s.start()
    assert wait_for_all(s) == total


def test_events_search(filled):
    s = filled
    s.post("/models/iris/predict", {**ROW, "sepal_length": 7.25}, headers={"X-User-Id": "ann"})
    wait_for_all(s)
    r = s.cli("events", "search", "user:ann AND input.sepal_length:>7", "--json")
    assert json.loads(r.stdout)["input"]["sepal_length"] == 7.25 and r.stderr == "1 of 1\n"
    assert len(s.cli("events", "search", "model:iris", "--size", "3", "--from", "2").stdout.splitlines()) == 3
    table = s.cli("events", "search", "*", "--columns", "user,input.sepal_length,nothing", "--sort", "input.sepal_length:desc", "--size", "2").stdout
    assert table.splitlines()[:2] == ["user\tinput.sepal_length\tnothing", "ann\t7.25\t-"]
    for arguments, said in [(["model:("], "Failed to parse query"), (["*", "--size", "20000"], "0 to 10000"), (["*", "--index", "a/b"], "there is no such index")]:
        r = s.cli("events", "search", *arguments, check=False)
        assert r.returncode == 2 and said in r.stderr, r
    assert s.stop() == 0
    r = s.cli("events", "search", "*", "--search-listen", f"127.0.0.1:{s.search}", check=False)
    assert r.returncode == 1 and "is `sibyl up` running on this data folder" in r.stderr
    s.start()


def test_what_the_journal_drops_leaves_the_index(model_folder):
    with Sibyl("--journal-segment-size", "2MiB", "--journal-retain-time", "1s") as s:
        s.register("iris", model_folder / "forest", alias="production")
        predict(s, 300000, at_once=5000)
        first, end = wait_for("retention", 60, lambda: (lambda j: j if j[0] > 265000 else None)(recorded(s)))
        # segments of the index go whole, so it may keep a part of one that is older
        wait_for("fewer documents", 20, lambda: count(s) < 262144)
        assert count(s) >= end - first
        assert len(search(s, {"size": 10, "sort": [{"@timestamp": "asc"}]})["hits"]["hits"]) == 10  # also where the text is gone
        newest = search(s, {"size": 100, "sort": [{"@timestamp": "desc"}]})["hits"]["hits"]
        assert len(newest) == 100 and all(h["_source"]["model"] == "iris" for h in newest)
        assert index_of(s)["lag"] == 0


def metric_documents(s, name, **labels):
    terms = [{"term": {"name": name}}, *({"term": {f"labels.{k}": v}} for k, v in labels.items())]
    return [h["_source"] for h in search(s, {"size": 1000, "query": {"bool": {"filter": terms}}, "sort": [{"@timestamp": "asc"}]}, "metrics")["hits"]["hits"]]


def metric(s, name):
    """Value of the only series of that name in platform's metrics."""
    line = next(x for x in request(s.dashboard, "GET", "/metrics").body.decode().splitlines() if x.startswith(name))
    return float(line.rsplit(" ", 1)[1])


def cpu_seconds(s):
    return sum(float(x.split()[1]) for x in s.get("/metrics").body.decode().splitlines() if x.startswith("process_cpu_seconds_total"))


@pytest.mark.san
def test_metrics_have_a_history_and_tell_cost_and_capacity(fresh, model_folder):
    s = fresh
    s.register("iris", model_folder / "forest", alias="production")
    wait_for("a first look", 20 * SLOW, lambda: metric_documents(s, "process_cpu_seconds_total", process="serving"))
    cpu, began = cpu_seconds(s), time.monotonic()
    with steadily(lambda: predict(s, 20, at_once=20)) as answered:
        wait_for("looks at it", 60 * SLOW, lambda: sum(d.get("rate", 0) > 0 for d in metric_documents(s, "sibyl_predictions_total", model="iris", status="ok")) >= 2)
        cpu, seconds = cpu_seconds(s) - cpu, time.monotonic() - began
    rows = 20 * len(answered)
    assert rows > 1000

    counters = metric_documents(s, "sibyl_predictions_total", model="iris", status="ok")
    assert counters[-1]["labels"] == {"process": "serving", "model": "iris", "version": "1", "role": "primary", "status": "ok"}
    values = [c["value"] for c in counters]
    assert values == sorted(values) and 0 < values[-1] <= rows
    assert max(c["rate"] for c in counters if "rate" in c) < 3 * rows / seconds
    latency = metric_documents(s, "sibyl_prediction_duration_seconds", model="iris")[-1]
    assert latency["count"] > 0 and 0 < latency["p50"] <= latency["p95"] <= latency["p99"] <= 60
    assert latency["sum"] / latency["count"] < 10 * latency["p99"]
    assert {d["labels"]["process"] for d in metric_documents(s, "process_cpu_seconds_total")} == {"serving", "platform"}
    assert not metric_documents(s, "sibyl_prediction_duration_seconds_bucket")

    events = s.cli("events", "tail", "--json", "-n", "100").stdout.splitlines()
    size = sum(map(len, events)) / len(events)
    assert metric(s, 'sibyl_cost_bytes_per_1000{model="iris"') == pytest.approx(1000 * size, rel=0.05)
    assert 0.2 < metric(s, 'sibyl_cost_cpu_seconds_per_1000{model="iris"') / (1000 * cpu / rows) < 2
    busy = metric(s, "sibyl_capacity_busy_ratio")
    assert 0 < busy <= 1 and busy + metric(s, "sibyl_capacity_headroom_ratio") == pytest.approx(1, abs=1e-3)
    assert busy < 1.5 * cpu / seconds / metric(s, "sibyl_cores") + 0.05
    assert metric(s, "sibyl_capacity_rows_per_second_limit") >= metric(s, "sibyl_capacity_rows_per_second ") > 0
    assert 0 < metric(s, "sibyl_journal_days_until_full") < 36500


def test_history_of_metrics_survives_restarts_and_serving_being_away(filled):
    s = filled
    wait_for("history", 20, lambda: count(s, index="metrics") > 50)
    before = count(s, index="metrics")
    os.kill(s.role_pid("platform"), signal.SIGKILL)
    wait_for("more of it", 40, lambda: count(s, index="metrics") > before + 20)
    assert index_of(s, "metrics")["quarantined"] == 0 and pathlib.Path(s.data / "journal/metrics").is_dir()
