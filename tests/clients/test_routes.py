"""Each route of the real server is ours too, or belongs to a part of MLflow that sibyl does not have."""
import json
import re

from servers import PYTHONS, ROOT, run_python

ABSENT = {
    "traces and what is judged of them": r"trace|assessment|scorer|label-schema|review-queue|issues|/datasets|genai",
    "the gateway": r"gateway|secrets|endpoints|guardrail|budget|model-definitions",
    "prompt optimisation, jobs, the assistant, demos": r"prompt-opt|/jobs|assistant|promptlab|demo",
    "webhooks": r"webhook",
    "workspaces": r"workspaces",
    "telemetry": r"ui-telemetry",
    "files of MLflow's own pages": r"^/(static-files|build)/|^/$|graphql",  # only with a Python that has them
    "a slash that is missing": r"/2\.0mlflow/",
}


def test_the_routes_of_the_real_server_are_ours(registry):
    rows = json.loads(run_python(PYTHONS["3.17.2"], ROOT / "tests/clients/routes.py").strip().splitlines()[-1])
    assert len(rows) > 300
    left = [(m, p) for m, p in rows if not any(re.search(a, p) for a in ABSENT.values())]
    assert len(left) > 140
    for reason, pattern in ABSENT.items():
        assert any(re.search(pattern, p) for _, p in rows), f"no route needs this any more: {reason}"
    missing = []
    for method, path in left:
        r = registry.call(method, re.sub(r"<[^>]*>", "none", path), {} if method in ("POST", "PATCH") else None,
                          raw=b"x" if method == "PUT" else None)
        known = r.status not in (404, 405) or r.json()["error_code"] != "ENDPOINT_NOT_FOUND"
        missing += [] if known else [(method, path)]
    assert not missing
