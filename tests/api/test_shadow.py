"""The shadow of a route predicts the same rows after the reply, and its events are paired with the primary's."""
import json

import pytest
from sibyl import ROOT, wait_for

pytestmark = pytest.mark.san
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def test_each_row_has_a_primary_and_a_shadow_event_of_one_request(fresh):
    s = fresh
    s.register("iris", ROOT / "share/samples/iris-forest", alias="production")
    s.register("iris", ROOT / "share/samples/iris-boosted", alias="shadow", wait=0)
    wait_for("the shadow", 30, lambda: s.model("iris").get("shadow", {}).get("version") == "2")
    asked = [s.post("/models/iris/predict", [ROW, {**ROW, "petal_length": 6.0}], headers={"X-Request-ID": f"q{i}", "X-Tag-Shop": "kiel"}) for i in range(20)]
    assert {a.status for a in asked} == {200} and {a.headers["X-Model-Version"] for a in asked} == {"1"}

    def events():
        found = [json.loads(line) for line in s.cli("events", "tail", "--json", "-n", "1000").stdout.splitlines()]
        return found if len(found) >= 80 else None

    found = wait_for("the shadow's events", 10, events)
    by_role = {role: {(e["request_id"], e["row"]): e for e in found if e["role"] == role} for role in ["primary", "shadow"]}
    assert len(found) == 80 and by_role["primary"].keys() == by_role["shadow"].keys()
    for key, shadow in by_role["shadow"].items():
        primary = by_role["primary"][key]
        assert shadow["input"] == primary["input"] and shadow["tags"] == primary["tags"] == {"Shop": "kiel"}
        assert (primary["model_version"], shadow["model_version"], shadow["model_alias"]) == ("1", "2", "shadow")
        assert shadow["event_id"] != primary["event_id"] and shadow["status"] == "ok" and shadow["prediction"]
