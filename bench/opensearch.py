"""A real OpenSearch node for comparisons: its libraries come from Maven Central into the cache, once."""
import csv
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request

from harness import LOAD_CORE, ROOT, free_port, say, stop, wait_for

HERE, VERSION = ROOT / "bench/opensearch", "2.19.1"
HEAP = "1g"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "sibyl"


def installed(cache):
    """The class path; None where there is no Java or Maven."""
    if not (shutil.which("java") and shutil.which("javac") and shutil.which("mvn")):
        return None
    folder = cache / f"opensearch-{VERSION}"
    if not (folder / "done").exists():
        say(f"  installing OpenSearch {VERSION} (about 50 MB)")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "pom.xml", folder)
        subprocess.run(["mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=lib"], cwd=folder, check=True, stdout=2)
        subprocess.run(["javac", "-cp", "lib/*", "-d", "classes", HERE / "Main.java"], cwd=folder, check=True)
        (folder / "done").touch()
    return f"{folder}/classes:{folder}/lib/*"


class OpenSearch:
    """One node with one shard per index, on loopback."""

    def __init__(self, class_path, prefix=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sibyl-bench-opensearch-", dir=ROOT / "build"))
        for name in ("config", "data", "logs"):
            (self.folder / name).mkdir()
        self.port = free_port()
        self.process = subprocess.Popen(
            [*prefix, "java", f"-Xms{HEAP}", f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-Dopensearch.set.netty.runtime.available.processors=false", "-cp", class_path,
             "Main", self.folder, str(self.port), str(free_port())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("OpenSearch", 120, lambda: self.call("GET", "/_cluster/health")["status"] != "red")

    def call(self, method, path, body=None, kind="application/json"):
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.loads(answer.read())

    def load(self, index, documents, mappings=None):
        """documents: JSON texts as bytes, one each. One shard, merged and refreshed at the end."""
        self.call("PUT", f"/{index}", {"settings": {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": -1}, **({"mappings": mappings} if mappings else {})})
        batch = []

        def send():
            answer = self.call("POST", f"/{index}/_bulk?filter_path=errors", b"".join(b'{"index":{}}\n' + d + b"\n" for d in batch), "application/x-ndjson")
            if answer["errors"]:
                raise RuntimeError("documents were refused")
            batch.clear()

        for d in documents:
            batch.append(d)
            if len(batch) == 5000:
                send()
        if batch:
            send()
        self.call("POST", f"/{index}/_forcemerge?max_num_segments=1")
        self.call("POST", f"/{index}/_refresh")

    def ms(self, index, body):
        """(milliseconds, answer) of a search without the request cache."""
        begin = time.perf_counter()
        answer = self.call("POST", f"/{index}/_search?request_cache=false", body)
        return (time.perf_counter() - begin) * 1e3, answer

    def close(self):
        stop(self.process, 30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- the questions of bench/search.py, in its language ----

def per(field, interval, **aggs):
    return {"by": {"date_histogram": {"field": field, "fixed_interval": interval, "min_doc_count": 1}, **({"aggs": aggs} if aggs else {})}}


def terms(field, size=100, **aggs):
    return {"by": {"terms": {"field": field, "size": size}, **({"aggs": aggs} if aggs else {})}}


QUANTILES = {"percentiles": {"field": "duration", "percents": [50, 95, 99]}}
MEAN = {"avg": {"field": "duration"}}
FIRST_MS = 1795000000000
QUESTIONS = {
    "traffic": {"aggs": per("ts", "1h", **terms("version"))},
    "latency": {"aggs": per("ts", "1h", q=QUANTILES)},
    "classes": {"aggs": terms("class", **per("ts", "1d", m=MEAN))},
    "errors": {"query": {"term": {"status": "error"}}, "aggs": per("ts", "1h", **terms("version"))},
    "users": {"aggs": terms("user", 10, m=MEAN)},
    "versions": {"aggs": terms("version", s={"stats": {"field": "total_us"}}, n={"cardinality": {"field": "user"}})},
    "shape": {"query": {"range": {"ts": {"gte": FIRST_MS + 648000000, "lt": FIRST_MS + 1944000000}}},
              "aggs": {"by": {"histogram": {"field": "duration", "interval": 0.0005, "min_doc_count": 1}}}},
    "compare": {"aggs": terms("role", **terms("class", q=QUANTILES))},
}
MAPPING = {"properties": {"ts": {"type": "date", "format": "epoch_millis"}, "total_us": {"type": "long"}, "duration": {"type": "double"},
                          **{name: {"type": "keyword"} for name in ("version", "role", "class", "status", "user")}}}


def documents_of(path):
    with open(path) as f:
        for r in csv.DictReader(f):
            ms = int(datetime.datetime.fromisoformat(r["ts"]).replace(tzinfo=datetime.timezone.utc).timestamp() * 1000 + 0.5)
            yield json.dumps({**r, "ts": ms, "total_us": int(r["total_us"]), "duration": float(r["duration"])}).encode()


def lowest(aggregation):
    """(buckets, documents) of the innermost level."""
    buckets = aggregation["buckets"]
    if buckets and "by" in buckets[0]:
        pairs = [lowest(b["by"]) for b in buckets]
        return sum(p[0] for p in pairs), sum(p[1] for p in pairs)
    return len(buckets), sum(b["doc_count"] for b in buckets)


def bench(row, rounds, ask, build, documents=1_000_000, goal=5):
    """build(folder, documents) makes the index and events.csv; ask(folder) answers {question: {"ms", "buckets", "docs"}} by sibyl. OpenSearch's times are
    those it tells itself (took), after a round that warms it up, without HTTP and without its request cache."""
    class_path = installed(CACHE)
    if not class_path:
        say("  OpenSearch is absent: it needs Java, javac and Maven")
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sibyl-bench-search-", dir=ROOT / "build"))
    try:
        build(folder, documents)
        with OpenSearch(class_path, ["taskset", "-c", str(LOAD_CORE)]) as peer:
            peer.load("events", documents_of(folder / "events.csv"), MAPPING)
            times = {name: ([], []) for name in QUESTIONS}
            for round_ in range(rounds + 2):
                ours = ask(folder)
                for name, body in QUESTIONS.items():
                    answer = peer.ms("events", {"size": 0, "track_total_hits": True, **body})[1]
                    found = lowest(answer["aggregations"]["by"])
                    if found != (ours[name]["buckets"], ours[name]["docs"]):
                        raise SystemExit(f"search bench, {name}: sibyl says {ours[name]}, OpenSearch {found}")
                    if round_ >= 2:
                        times[name][0].append(ours[name]["ms"])
                        times[name][1].append(answer["took"])
        a, b = (sum(statistics.median(t[side]) for t in times.values()) for side in (0, 1))
        row(f"all of these, {documents / 1e6:g}M events", a, "ms", f"OpenSearch {VERSION}, one core", b, b / a, f"≥ {goal}×", b / a >= goal)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
