"""Against MLflow itself: the real server opens our database, and both answer the same calls alike."""
import difflib
import json
import time

import pytest

from replay import Normal, differences
from script_registry import Script
from servers import Ours


def same_error(ours, theirs):
    return ours[0] == theirs[0] >= 400 and ours[1].get("error_code") == theirs[1].get("error_code")


def they_crash(ours, theirs):
    return theirs[0] == 500 and ours[0] in (400, 404)


def they_fail_in_sql(ours, theirs):
    return ours[0] in (400, 404) and theirs[0] == 400 and "IntegrityError" in theirs[1].get("message", "")


def we_refuse(ours, theirs):
    return ours[0] == 400 and theirs[0] == 200


def plain(*statuses):
    """Both answer this status; theirs without a JSON document."""
    return lambda ours, theirs: ours[0] == theirs[0] in statuses and set(theirs[1]) == {"text"}


# (calls, reason, what it covers); a reason that no call needs any more fails the test
EXPLAINED = [
    (r"experiments/create|experiments/update|/rename|logged-models/\S+/params|\"model_id\": \"m-none\"",
     "their text is that of a failed SQL statement", they_fail_in_sql),
    (r"(filter|order_by|page_token)", "another wording of the same refusal", same_error),
    (r"model-versions/create .*source|bad/name|log-batch .*other", "another wording of the same refusal", same_error),
    (r"artifact_location|\{\"value\": \"1\"\}|\"key\": \"\"", "another wording of the same refusal", same_error),
    (r"bad path|path\": \"(\.\./|%|/|C:|a%)", "they say only that a path is bad, we say what is", same_error),
    (r"bad path (a%00|C:)|\"path\": \"a%00", "they look for files of such names; for us the paths are bad",
     lambda a, b: a[0] == 400 and (b[0] == 404 or set(b[1]) == {"root_uri"})),
    (r"runs/create without", "a run without experiment is one of Default; theirs fails in SQL",
     lambda a, b: a[0] == 200 and b[0] == 400),
    (r"loss = 1.0 AND|experiment_ids\": \[1\]|LIKE 'a' AND|AND AND|params\. =|params\.'lr'|status = 2|\"run_view_type\": 9|"
     r"max_results\": (2\.5|-1)|view_type\": \"NONSENSE|field_name\": \"metrics\.f1\"|status\": (\"NONSENSE|\"finished|9)|"
     r"\"value\": true|\"abc\"|\"only\"|\"timestamp\": (1\.5|9223372036854775808)|\"tags\": \"x\"|\"key\": \"\"|\.\./b",
     "theirs takes a malformed request as another one", we_refuse),
    (r"filter\": \" \"", "a blank filter is no filter", lambda a, b: a[0] == 200 and b[0] == 400),
    (r" x (257|251|300|501|600|5001)>", "theirs stores more than its own columns allow, as only SQLite lets it",
     lambda a, b: a[0] == 400 and (b[0] == 200 or b[1].get("error_code") == "RESOURCE_ALREADY_EXISTS")),
    (r" x (8001|6001)>", "ours cuts what is too long in every call, theirs not when an object is created",
     lambda a, b: a[0] == b[0] == 200),
    (r"tags/a%2Fb", "their routes cannot have a slash in a tag's key", lambda a, b: a[0] == 200 and b[0] == 404),
    (r"\"k\", \"value\": \"2\"|\"a\", \"value\": \"2\"", "of a tag that comes twice the last one counts",
     lambda a, b: a[0] == 200 and b[0] == 400),
    (r"^PUT |upload-artifact", "theirs answers an upload with an empty body",
     lambda a, b: a[0] == b[0] == 200 and b[1] == {"text": ""}),
    (r"^GET .*/d null", "their file route has another error document",
     lambda a, b: a[0] == b[0] == 400 and a[1]["message"] == b[1]["detail"]),
    (r"artifacts/files null", "a missing parameter is told as everywhere",
     lambda a, b: a[0] == b[0] == 400 and "artifact_file_path" in a[1]["message"] and "artifact_file_path" in b[1]["message"]),
    (r"no/such/route|runs/get \{", "a wrong route is told as JSON", plain(404, 405)),
    (r"range bytes=99", "an unsatisfiable range is told in words", plain(416)),
    (r"range (bytes=5-2|items)", "a range that makes no sense is none (RFC 9110)", lambda a, b: a[0] == 200 and b[0] == 400),
    (r"filter|order_by|page_token|transition-stage|99999999999|models:/m-none|models:/\S+@nobody", "theirs fails with 500 on a client's mistake", they_crash),
    (r"logged-models/search .*status = 'READY'", "theirs compares the text with the stored number, finding nothing",
     lambda a, b: a[0] == b[0] == 200 and not b[1]),
    (r"logged-models/search .*\"datasets\": \[\{\"dataset_name\": \"iris\"\}\]", "theirs takes a dataset without digest as one whose digest is NULL",
     lambda a, b: a[0] == b[0] == 200 and a[1] and not b[1]),
    (r"runs/search", "theirs leaves model inputs out of searches",
     lambda a, b: a[0] == b[0] == 200 and "model_inputs" in str(a[1]) and "model_inputs" not in str(b[1])),
    (r"mlflow-artifacts/(presigned|mpu/(create|abort))", "ours has these also for its own files",
     lambda a, b: a[0] == 200 and b[0] == 501),
    (r"server-info", "ours offers parts and no gateway, and has the keys of newer releases",
     lambda a, b: all(a[1].get(k) == v for k, v in b[1].items() if k not in ("features_enabled", "multipart_downloads_enabled", "multipart_uploads_enabled"))),
]


def everything(server, tag):
    """All that a script with this tag left, read back."""
    out = []
    experiments = server.call("POST", "/api/2.0/mlflow/experiments/search",
                              {"max_results": 1000, "view_type": "ALL"}).json()["experiments"]
    experiments = [e for e in experiments if e["name"] == "Default" or e["name"].startswith(tag)]
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
                         query={"filter": f"name LIKE '{tag}%'"}).json()["registered_models"]
    out.append(models)
    for m in models:
        out.append(server.call("GET", "/api/2.0/mlflow/registered-models/get", query={"name": m["name"]}).json())
        out.append(server.call("GET", "/api/2.0/mlflow/model-versions/search",
                               query={"filter": f"name = '{m['name']}'"}).json())
    return out


def assert_same_rows(ours, theirs, tag):
    ours, theirs = (Normal(None).value(everything(s, tag)) for s in (ours, theirs))
    assert len(ours) > 8
    a, b = (json.dumps(v, indent=1, sort_keys=True).splitlines() for v in (ours, theirs))
    assert a == b, "\n".join(difflib.unified_diff(a, b, "ours", "theirs", lineterm="", n=4))


def replayed(server, tag):
    """The moment before and the answers."""
    return int(time.time() * 1000), Script(server, tag).run()


def assert_same_answers(ours, theirs):
    start, ours, theirs = min(ours[0], theirs[0]), ours[1], theirs[1]
    assert len(ours) > 800
    lines, used = differences(ours, theirs, start, EXPLAINED)
    assert not lines, "\n".join(lines)
    unused = {reason for _, reason, _ in EXPLAINED} - used
    assert not unused, f"differences that are no more: {unused}"


def test_the_real_server_reads_what_we_wrote(registry, real):
    assert_same_rows(registry, real, "seed")


@pytest.fixture(scope="module")
def pair(real):
    return replayed(real, "pair")


def test_both_answer_the_same_calls_alike(registry, pair):
    assert_same_answers(replayed(registry, "pair"), pair)


def test_we_go_on_with_what_the_real_server_wrote(real, pair, tmp_path):
    real.copy_database(tmp_path / "mlflow.db")
    with Ours(tmp_path) as ours:
        assert_same_rows(ours, real, "pair")
        assert_same_answers(replayed(ours, "back"), replayed(real, "back"))
