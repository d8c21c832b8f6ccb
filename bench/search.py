"""The event index against DuckDB and OpenSearch: what dashboards ask, over the same rows, one thread each.

DuckDB holds the rows in its native storage, opened from a file that was written before. Both answer in turn;
times are of CPU, the least of some repeats a round, median of the rounds. Rows and counts of the answers must
agree. For percentiles DuckDB is given the faster of its two ways, for each question.
"""
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import opensearch

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOL = ROOT / "build/release/tests/search_bench"
GOAL = 5

HOUR = "time_bucket(INTERVAL 1 hour, ts)"
BOTH = ["quantile_cont(duration, [0.5, 0.95, 0.99])", "approx_quantile(duration, [0.5, 0.95, 0.99])"]
MIDDLE = "ts >= epoch_ms(1795000000000 + 648000000) AND ts < epoch_ms(1795000000000 + 1944000000)"
QUESTIONS = {
    "traffic": [f"SELECT {HOUR} h, version, count(*) FROM e GROUP BY ALL"],
    "latency": [f"SELECT {HOUR} h, count(*), {q} FROM e GROUP BY h" for q in BOTH],
    "classes": ["SELECT class, time_bucket(INTERVAL 1 day, ts) d, count(*), avg(duration) FROM e GROUP BY class, d"],
    "errors": [f"SELECT {HOUR} h, version, count(*) FROM e WHERE status = 'error' GROUP BY ALL"],
    "users": ["SELECT \"user\", count(*) n, avg(duration) FROM e GROUP BY \"user\" ORDER BY n DESC, \"user\" LIMIT 10"],
    "versions": ["SELECT version, count(*), sum(total_us), avg(total_us), min(total_us), max(total_us), count(DISTINCT \"user\") FROM e GROUP BY version"],
    "shape": [f"SELECT floor(duration / 0.0005) b, count(*) FROM e WHERE {MIDDLE} GROUP BY b"],
    "compare": [f"SELECT role, class, count(*), {q} FROM e GROUP BY role, class" for q in BOTH],
}
WHAT = {"traffic": "events an hour by version", "latency": "p50, p95, p99 an hour", "classes": "mean duration by class and day",
        "errors": "errors an hour by version", "users": "top 10 users with mean duration", "versions": "statistics and distinct users by version",
        "shape": "histogram of durations, half of the time range", "compare": "p50, p95, p99 by role and class"}

PEER = """
import json, sys, time, duckdb
folder, repeats, questions = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
db = duckdb.connect(folder + "/events.duckdb", read_only=True)
db.execute("SET threads = 1")
db.execute("SET enable_progress_bar = false")
out = {}
for name, ways in questions.items():
    best = None
    for sql in ways:
        for _ in range(repeats):
            begin = time.process_time()
            rows = db.execute(sql).fetchall()
            ms = (time.process_time() - begin) * 1e3
            best = ms if best is None else min(best, ms)
    count = next(i for i, v in enumerate(rows[0]) if type(v) is int)
    out[name] = {"ms": best, "buckets": len(rows), "docs": sum(r[count] for r in rows)}
print(json.dumps(out))
"""


def build_index(folder, documents):
    """Also the rows as a file for the peers."""
    subprocess.run([TOOL, "build", folder, str(documents)], check=True)


def build(folder, documents, python):
    build_index(folder, documents)
    subprocess.run([python, "-c", "import sys, duckdb; db = duckdb.connect(sys.argv[1] + '/events.duckdb'); db.execute('SET threads = 1');"
                    "db.execute(\"CREATE TABLE e AS SELECT ts::TIMESTAMP ts, version, role, class, status, \\\"user\\\", total_us, duration FROM read_csv(?,"
                    "types={'ts': 'TIMESTAMP', 'version': 'VARCHAR', 'total_us': 'BIGINT', 'duration': 'DOUBLE'}) ORDER BY ts\", [sys.argv[1] + '/events.csv'])", folder],
                   check=True)


def ask(folder, repeats=1):
    """{question: {"ms", "buckets", "docs"}} by sibyl."""
    return json.loads(subprocess.run([TOOL, "run", folder, str(repeats)], check=True, capture_output=True, text=True).stdout)


def compare(folder, rounds, repeats, python):
    """{question: ([ms of sibyl], [ms of DuckDB])}"""
    times = {name: ([], []) for name in QUESTIONS}
    for _ in range(rounds):
        ours = ask(folder, repeats)
        theirs = json.loads(subprocess.run([python, "-c", PEER, folder, str(repeats), json.dumps(QUESTIONS)], check=True, capture_output=True, text=True).stdout)
        for name in QUESTIONS:
            a, b = ours[name], theirs[name]
            if (a["buckets"], a["docs"]) != (b["buckets"], b["docs"]):
                raise SystemExit(f"search bench, {name}: sibyl says {a}, DuckDB {b}")
            times[name][0].append(a["ms"])
            times[name][1].append(b["ms"])
    return times


def bench(row, rounds, documents=5_000_000, repeats=2):
    python = subprocess.run([ROOT / "tools/python-env", "duckdb", ROOT / "tests/envs/duckdb.txt"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    folder = tempfile.mkdtemp(prefix="sibyl-bench-search-", dir=ROOT / "build")
    try:
        build(folder, documents, python)
        total = [0, 0]
        for name, (ours, theirs) in compare(folder, rounds, repeats, python).items():
            a, b = statistics.median(ours), statistics.median(theirs)
            total = [total[0] + a, total[1] + b]
            row(f"{WHAT[name]}, {documents / 1e6:g}M events: CPU", a, "ms", "DuckDB, one thread", b, b / a, "–", True)
        row(f"all of these, {documents / 1e6:g}M events", total[0], "ms", "DuckDB, one thread", total[1], total[1] / total[0], f"≥ {GOAL}×", total[1] / total[0] >= GOAL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    opensearch.bench(row, rounds, ask, build_index)


if __name__ == "__main__":
    folder, python = sys.argv[1], sys.argv[2]
    for name, (ours, theirs) in compare(folder, int(sys.argv[3]), 2, python).items():
        print(f"{name:10} {statistics.median(ours):9.2f} {statistics.median(theirs):9.2f} {statistics.median(theirs) / statistics.median(ours):6.1f}")
