"""Against MLflow itself: the real server opens our database, and both answer the same calls alike."""
import difflib
import json
import time

from replay import Normal, Replay, differences


def same_error(ours, theirs):
    return ours[0] == theirs[0] >= 400 and ours[1].get("error_code") == theirs[1].get("error_code")


def they_crash(ours, theirs):
    return theirs[0] == 500 and ours[0] in (400, 404)


# (calls, reason, what it covers); a reason that no call needs any more fails the test
EXPLAINED = [
    (r"experiments/create .*-one\"|/rename", "their text carries the SQL statement", same_error),
    (r"(filter|order_by|page_token)", "another wording of the same refusal", same_error),
    (r"model-versions/create .*source", "another wording of the same refusal", same_error),
    (r"bad/name|\.\./x|log-batch .*other", "another wording of the same refusal", same_error),
    (r"runs/create without", "a run without experiment is one of Default; theirs fails in SQL",
     lambda a, b: a[0] == 200 and b[0] == 400),
    (r"loss = 1.0 AND|experiment_ids\": \[1\]", "theirs takes a malformed request as another one",
     lambda a, b: a[0] == 400 and b[0] == 200),
    (r"^PUT ", "theirs answers an upload with an empty body", lambda a, b: a[0] == b[0] == 200 and b[1] == {"text": ""}),
    (r"^GET .*/d null", "their file route has another error document",
     lambda a, b: a[0] == b[0] == 400 and a[1]["message"] == b[1]["detail"]),
    (r"filter|order_by|transition-stage", "theirs fails with 500 on a client's mistake", they_crash),
    (r"logged-models/search .*status = 'READY'", "theirs compares the text with the stored number, finding nothing",
     lambda a, b: a[0] == b[0] == 200 and not b[1]),
]


def everything(server):
    """All that was seeded, read back."""
    out = []
    experiments = server.call("POST", "/api/2.0/mlflow/experiments/search",
                              {"max_results": 1000, "view_type": "ALL"}).json()["experiments"]
    experiments = [e for e in experiments if e["name"] == "Default" or e["name"].startswith("seed")]
    ids = [e["experiment_id"] for e in experiments]
    out.append(experiments)
    runs = server.call("POST", "/api/2.0/mlflow/runs/search", {
        "experiment_ids": ids, "max_results": 1000, "run_view_type": "ALL"}).json()["runs"]
    for run_id in sorted(r["info"]["run_id"] for r in runs):
        run = server.call("GET", "/api/2.0/mlflow/runs/get", query={"run_id": run_id}).json()["run"]
        out.append(run)
        for metric in sorted(m["key"] for m in run["data"].get("metrics", [])):
            out.append(server.call("GET", "/api/2.0/mlflow/metrics/get-history", query={
                "run_id": run_id, "metric_key": metric, "max_results": 25000}).json())
    out.append(server.call("POST", "/api/2.0/mlflow/logged-models/search",
                           {"experiment_ids": ids, "max_results": 50}).json())
    models = server.call("GET", "/api/2.0/mlflow/registered-models/search",
                         query={"filter": "name LIKE 'seed%'"}).json()["registered_models"]
    out.append(models)
    for m in models:
        out.append(server.call("GET", "/api/2.0/mlflow/registered-models/get", query={"name": m["name"]}).json())
        out.append(server.call("GET", "/api/2.0/mlflow/model-versions/search",
                               query={"filter": f"name = '{m['name']}'"}).json())
    return out


def test_the_real_server_reads_what_we_wrote(registry, real):
    ours, theirs = (Normal(None).value(everything(s)) for s in (registry, real))
    assert len(ours) > 8
    a, b = (json.dumps(v, indent=1, sort_keys=True).splitlines() for v in (ours, theirs))
    assert a == b, "\n".join(difflib.unified_diff(a, b, "ours", "theirs", lineterm="", n=4))


def test_both_answer_the_same_calls_alike(registry, real):
    start = int(time.time() * 1000)
    ours, theirs = Replay(registry, "pair").run(), Replay(real, "pair").run()
    assert len(ours) > 200
    lines, used = differences(ours, theirs, start, EXPLAINED)
    assert not lines, "\n".join(lines)
    unused = {reason for _, reason, _ in EXPLAINED} - used
    assert not unused, f"differences that are no more: {unused}"
