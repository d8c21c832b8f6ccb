"""The shadow of a route predicts the same rows after the reply, and its events are paired with the primary's."""
import json

import pytest
from sibyl import ROOT, Sibyl, request, wait_for

pytestmark = pytest.mark.san
NEXT = "{iris: {shadow: 'models:/iris-next@champion'}, iris-eu: {primary: models:/iris/1, shadow: models:/nobody/1}}"
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def test_each_row_has_a_primary_and_a_shadow_event_of_one_request(fresh):
    s = fresh
    s.register("iris", ROOT / "share/samples/iris-forest", alias="production")
    s.register("iris", ROOT / "share/samples/iris-boosted", alias="shadow", wait=0)
    wait_for("the shadow", 60, lambda: s.model("iris").get("shadow", {}).get("version") == "2")
    asked = [s.post("/models/iris/predict", [ROW, {**ROW, "petal_length": 6.0}], headers={"X-Request-ID": f"q{i}", "X-Tag-Shop": "kiel"}) for i in range(20)]
    assert {a.status for a in asked} == {200} and {a.headers["X-Model-Version"] for a in asked} == {"1"}

    def events():
        found = [json.loads(line) for line in s.cli("events", "tail", "--json", "-n", "1000").stdout.splitlines()]
        return found if len(found) >= 80 else None

    found = wait_for("the shadow's events", 60, events)
    by_role = {role: {(e["request_id"], e["row"]): e for e in found if e["role"] == role} for role in ["primary", "shadow"]}
    assert len(found) == 80 and by_role["primary"].keys() == by_role["shadow"].keys()
    for key, shadow in by_role["shadow"].items():
        primary = by_role["primary"][key]
        assert shadow["input"] == primary["input"] and shadow["tags"] == primary["tags"] == {"Shop": "kiel"}
        assert (primary["model_version"], shadow["model_version"], shadow["model_alias"]) == ("1", "2", "shadow")
        assert shadow["event_id"] != primary["event_id"] and shadow["status"] == "ok" and shadow["prediction"]


@pytest.fixture
def configured():
    """Not ready while a route's configured version is not there, so only both servers are waited for."""
    with Sibyl("--routes", NEXT, wait=False) as s:
        wait_for("both servers", 60, lambda: s.get("/health").status == request(s.registry, "GET", "/health").status == 200)
        yield s


def test_a_version_of_another_model_shadows_a_route_by_configuration(configured):
    s = configured
    assert "no model of that name" in wait_for("its absence", 30, lambda: s.model("iris-eu").get("failure"))
    assert s.get("/ready").status == 503
    s.register("iris", ROOT / "share/samples/iris-forest", alias="production")
    s.register("iris-next", ROOT / "share/samples/iris-boosted", alias="champion")
    m = wait_for("the shadow", 60, lambda: (m := s.model("iris")).get("shadow") and m)
    assert (m["shadow"]["model"], m["shadow"]["version"], m["shadow"]["policy"]) == ("iris-next", "1", "configured: models:/iris-next@champion")
    eu = wait_for("the other route", 60, lambda: (m := s.model("iris-eu")).get("live") and m)
    assert (eu["live"]["model"], eu["live"]["version"], eu["live"]["policy"]) == ("iris", "1", "configured: models:/iris/1")
    assert "no model of that name" in eu["shadow_failure"]
    assert s.post("/models/iris/predict", ROW, headers={"X-Request-ID": "q"}).status == 200
    assert s.post("/models/iris-eu/predict", ROW).headers["X-Model-Version"] == "1"

    def events():
        found = [json.loads(line) for line in s.cli("events", "tail", "--json", "-n", "1000").stdout.splitlines()]
        return {e["role"]: e for e in found if e["request_id"] == "q"} if len(found) == 3 else None

    by_role = wait_for("the shadow's event", 60, events)
    assert {k: by_role["shadow"][k] for k in ["route", "model", "model_version", "model_alias", "status"]} == {
        "route": "iris", "model": "iris-next", "model_version": "1", "model_alias": "champion", "status": "ok"}
    assert by_role["primary"]["route"] == by_role["primary"]["model"] == "iris"
    # another start, from disk
    assert s.stop() == 0
    s.start()
    m = s.model("iris")
    assert (m["live"]["model"], m["shadow"]["model"]) == ("iris", "iris-next")
    assert s.stop() == 0


def test_a_shadow_that_does_not_take_the_primarys_rows_is_not_started(configured, model_folder):
    s = configured
    s.register("iris", model_folder / "forest", alias="production")
    s.register("iris-next", model_folder / "moody", alias="champion")
    why = wait_for("the reason", 60, lambda: s.model("iris").get("shadow_failure"))
    assert why == "iris-next version 1: it does not take the primary's rows: 2 inputs and not 4"
    assert "shadow" not in s.model("iris") and s.post("/models/iris/predict", ROW).status == 200
    health = wait_for("its reason", 60, lambda: (h := s.get("/health").json())["reason"] == "a shadow could not be started" and h)
    assert health["status"] == "degraded"
    assert why in s.cli("models").stdout and why in s.log()
    s.alias("iris-next", "champion", s.register("iris-next", model_folder / "always-a", wait=0))
    m = wait_for("the shadow", 60, lambda: (m := s.model("iris")).get("shadow") and m)
    assert m["shadow"]["version"] == "2" and "shadow_failure" not in m
    s.mlflow("DELETE", "registered-models/delete", {"name": "iris-next"})
    assert "no model of that name" in wait_for("its end", 20, lambda: s.model("iris").get("shadow_failure"))
    assert s.stop() == 0
