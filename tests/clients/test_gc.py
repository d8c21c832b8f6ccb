"""Removal for good against clients that bring runs back at the same moment."""
import concurrent.futures
import contextlib
import json
import random
import urllib.error
import urllib.request

FILES = "/api/2.0/mlflow-artifacts/artifacts"


def ask(server, path, body):
    """On a connection of its own: many threads ask at once."""
    r = urllib.request.Request(server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(r, timeout=30) as answer:
        return json.loads(answer.read())
    return None


def test_a_run_is_there_with_its_files_or_gone_with_them(registry):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    rng = random.Random(seed)
    e = registry.call("POST", "/api/2.0/mlflow/experiments/create", {"name": f"gc-{seed}"}).json()["experiment_id"]
    runs = {}
    for _ in range(60):
        info = registry.call("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": e}).json()["run"]["info"]
        path = info["artifact_uri"].removeprefix("mlflow-artifacts:/") + "/a/file.txt"
        assert registry.call("PUT", f"{FILES}/{path}", raw=b"x").status == 200
        assert registry.call("POST", "/api/2.0/mlflow/runs/delete", {"run_id": info["run_id"]}).status == 200
        runs[info["run_id"]] = path
    calls = [("/api/sibyl/1/gc/remove", {"kind": "run", "id": r}) for r in runs]
    calls += [("/api/2.0/mlflow/runs/restore", {"run_id": r}) for r in runs]
    rng.shuffle(calls)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda c: ask(registry, *c), calls))
    removed = kept = 0
    for r, path in runs.items():
        row = registry.call("GET", "/api/2.0/mlflow/runs/get", query={"run_id": r})
        file = registry.call("GET", f"{FILES}/{path}")
        assert (row.status, file.status) in ((200, 200), (404, 404)), (r, row.body, file.body)
        if row.status == 200:
            assert row.json()["run"]["info"]["lifecycle_stage"] == "active"
            kept += 1
        else:
            removed += 1
    assert removed and kept
    said = [a for (path, _), a in zip(calls, answers) if path.endswith("remove")]
    assert sum(a["removed"] for a in said) == removed
    assert all("not deleted" in a["why_kept"] for a in said if not a["removed"])
