"""Alerts: rules from file and API, their states, silences, delivery to a webhook and to the real Alertmanager."""
import contextlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.parse

import pytest

from sibyl import Sibyl, command_of, free_port, request, wait_for

ALERTMANAGER = shutil.which("prometheus-alertmanager")
FAST = "--alerts-every=200ms"
# A number that a test moves: connections to the predictions API.
CONNECTIONS = {"metric": "sibyl_http_connections", "where": {"server": "serving"}, "above": 20, "clear": 15}


class Webhook:
    """Keeps what is posted to it."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.got, self.paths, self.headers, self.server = [], [], [], None

    def start(self):
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.paths.append(self.path)
                hook.headers.append(dict(self.headers))
                hook.got.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()

    def heard(self, rule):
        return [m["status"] for m in self.got if m["groupLabels"]["alertname"] == rule]


@pytest.fixture
def webhook():
    hook = Webhook().start()
    yield hook
    hook.stop()


@contextlib.contextmanager
def alertmanager(folder):
    port = free_port()
    config = folder / "alertmanager.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    with open(folder / "alertmanager.log", "w") as log:
        p = subprocess.Popen([ALERTMANAGER, f"--config.file={config}", f"--storage.path={folder}/am",
                              f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
                             stdout=log, stderr=log)
    try:
        wait_for("alertmanager", 30, lambda: request(port, "GET", "/-/ready").status == 200)
        yield port
    finally:
        p.terminate()
        p.wait(20)


class Open:
    """So many connections to serving, each of which has asked something."""

    def __init__(self, port, n):
        import http.client
        self.all = []
        for _ in range(n):
            c = http.client.HTTPConnection("127.0.0.1", port)
            c.request("GET", "/health")
            c.getresponse().read()
            self.all.append(c)

    def close(self):
        for c in self.all:
            c.close()


def api(s, method, path, body=None, status=200, **kw):
    answer = request(s.dashboard, method, "/api/alerts" + path, body, **kw)
    assert answer.status == status, answer
    return answer.json()


def rule_path(name):
    return "/rules/" + urllib.parse.quote(name)


def rules(s):
    return {r["name"]: r for r in api(s, "GET", "")["rules"]}


def until_state(s, name, state, seconds=20):
    def probe():
        r = rules(s).get(name)
        return r if r and r["state"] == state else None
    return wait_for(f"{name} {state}", seconds, probe)


@pytest.fixture(scope="module")
def quiet():
    """A platform without destinations; each test makes rules of its own name."""
    with Sibyl(FAST) as s:
        yield s
        assert s.stop() == 0, s.log()[-4000:]


# ---- rules over the API ----

def test_shipped_rules_are_there_and_evaluated(quiet):
    overview = wait_for("an evaluation", 10, lambda: (lambda o: o["evaluated_ms"] and o)(api(quiet, "GET", "")))
    by_name = {r["name"]: r for r in overview["rules"]}
    for name in ("latency p99", "error rate", "no traffic", "memory", "cpu", "worker restarts", "reader lag", "journal not writable", "disk budget"):
        assert by_name[name]["origin"] == "default" and by_name[name]["enabled"]
        assert by_name[name]["error"] is None, by_name[name]
    assert overview["counts"]["errors"] == 0 and overview["metrics_error"] is None
    assert overview["file"] is None and overview["destinations"] == []


@pytest.mark.san
def test_a_rule_is_made_changed_and_removed(quiet):
    definition = {"name": "crud ü", "metric": "process_resident_memory_bytes", "where": {"process": "serving"}, "above": 1e15}
    made = api(quiet, "POST", "/rules", definition, 201)
    assert made["origin"] == "stored" and made["unit"] == "bytes" and made["definition"] == definition
    api(quiet, "POST", "/rules", definition, 409)
    one = wait_for("a value", 10, lambda: (lambda r: r["value"] and r)(api(quiet, "GET", rule_path("crud ü"))))
    assert one["series"] == {"process": "serving"} and one["value"] > 1e6 and one["state"] == "ok"
    assert any(v for _, v in one["recent"]) and "- name: \"crud ü\"" in one["yaml"]
    assert api(quiet, "PUT", rule_path("crud ü"), {**definition, "above": 1})["threshold"] == 1
    until_state(quiet, "crud ü", "firing")
    assert "over 1 B" in rules(quiet)["crud ü"]["summary"]
    assert api(quiet, "POST", rule_path("crud ü") + "/disable", {})["state"] == "disabled"
    assert api(quiet, "POST", rule_path("crud ü") + "/enable", {})["enabled"]
    assert api(quiet, "DELETE", rule_path("crud ü")) == {}
    api(quiet, "GET", rule_path("crud ü"), status=404)


def test_a_shipped_rule_is_edited_disabled_and_comes_back(quiet):
    definition = rules(quiet)["latency p99"]["definition"]
    edited = api(quiet, "PUT", rule_path("latency p99"), {**definition, "above": 7, "clear": 7})
    assert (edited["origin"], edited["replaces"], edited["threshold"]) == ("stored", "default", 7)
    api(quiet, "DELETE", rule_path("latency p99"))
    assert rules(quiet)["latency p99"]["definition"] == definition
    assert "disable it" in api(quiet, "DELETE", rule_path("latency p99"), status=409)["error"]
    assert api(quiet, "POST", rule_path("error rate") + "/disable", {})["state"] == "disabled"
    assert api(quiet, "POST", rule_path("error rate") + "/enable", {})["state"] == "ok"


@pytest.mark.parametrize("method, path, body, headers, status, error, key", [
    ("POST", "/rules", b"{", {}, 400, None, None),
    ("POST", "/rules", {"name": "x", "metric": "m", "abowe": 1}, {}, 400, "did you mean above?", "abowe"),
    ("POST", "/rules", {"name": "x", "metric": "m"}, {}, 400, "needs a threshold", None),
    ("POST", "/rules", [], {}, 400, "must be a mapping", None),
    ("POST", "/rules", {"name": "x/y", "metric": "m", "above": 1}, {}, 400, "without a slash", "name"),
    ("POST", "/rules", {"name": "x", "metric": "m", "above": 1}, {"Content-Type": "text/plain"}, 415, "Content-Type", None),
    ("PUT", "/rules/a", {"name": "b", "metric": "m", "above": 1}, {}, 400, "not the path's", "name"),
    ("GET", "/rules/none", None, {}, 404, "no rule", None),
    ("DELETE", "/rules/none", None, {}, 404, "no rule", None),
    ("POST", "/rules/none/enable", {}, {}, 404, "no rule", None),
    ("POST", "/silences", {"for": "1h"}, {}, 400, "name a rule or labels", None),
    ("POST", "/silences", {"rule": "error rate"}, {}, 400, "for how long", None),
    ("POST", "/silences", {"rule": "error rate", "for": "1 hour"}, {}, 400, "must be a time", "for"),
    ("POST", "/silences", {"rule": "none", "for": "1h"}, {}, 404, "no rule", "rule"),
    ("DELETE", "/silences/none", None, {}, 404, "no silence", None),
    ("POST", "/destinations/webhook/test", {}, {}, 404, "alerts.webhook_url", None),
    ("GET", "/history?limit=0", None, {}, 400, "limit must be", "limit"),
])
def test_what_is_wrong_is_said(quiet, method, path, body, headers, status, error, key):
    answer = api(quiet, method, path, body, status, headers=headers)
    assert (error or "") in answer["error"] and answer["key"] == key


def test_other_sites_change_nothing(quiet):
    answer = request(quiet.dashboard, "POST", "/api/alerts/rules", {"name": "evil", "metric": "m", "above": 1}, headers={"Origin": "http://evil.example"})
    assert answer.status == 403 and "evil" not in rules(quiet)


def test_a_check_keeps_nothing(quiet):
    good = api(quiet, "POST", "/check", {"name": "c", "metric": "process_open_fds", "above": 1})
    assert good["ok"] and good["would_fire"] and good["value"] > 1 and good["series"]["process"] in ("serving", "platform")
    bad = api(quiet, "POST", "/check", {"name": "c", "metric": "process_open_fds", "above": "much"})
    assert not bad["ok"] and bad["key"] == "above" and "must be a number" in bad["error"]
    none = api(quiet, "POST", "/check", {"name": "c", "metric": "no_such_metric", "above": 1})
    assert none["ok"] and none["no_data"] and not none["would_fire"]
    assert "c" not in rules(quiet)


def test_a_rule_may_come_as_yaml(quiet):
    text = 'name: typed\nmetric: process_open_fds # a comment\nabove: 1e9\n'
    made = api(quiet, "POST", "/rules", {"yaml": text}, 201)
    assert made["definition"] == {"name": "typed", "metric": "process_open_fds", "above": "1e9"} and made["threshold"] == 1e9
    again = api(quiet, "PUT", rule_path("typed"), {"yaml": made["yaml"].replace("1e9", "1e10")})
    assert again["threshold"] == 1e10
    for text, part in [("name: a\nmetrik: m\n", 'YAML line 2: rule "a": metrik'), ("a: [", "line"), ("- a\n- b\n", "must be a mapping"), ("", "must be a mapping")]:
        assert part in api(quiet, "POST", "/rules", {"yaml": text}, 400)["error"]
        assert part in api(quiet, "POST", "/check", {"yaml": text})["error"]
    api(quiet, "DELETE", rule_path("typed"))


def test_the_command_line(quiet, tmp_path):
    assert "error rate" in quiet.cli("alerts").stdout
    assert json.loads(quiet.cli("alerts", "list", "--json").stdout)["every_ms"] == 200
    assert "divided_by" in quiet.cli("alerts", "show", "error rate").stdout
    silence = json.loads(quiet.cli("alerts", "silence", "error rate", "--for", "2h", "--why", "deploying", "--by", "ada", "--json").stdout)
    assert (silence["by"], silence["why"], silence["matches"]) == ("ada", "deploying", ["error rate"])
    assert "(silenced)" in quiet.cli("alerts").stdout
    assert "1" in quiet.cli("alerts", "unsilence", "error rate").stdout
    assert not rules(quiet)["error rate"]["silenced"]
    assert "disabled" in quiet.cli("alerts", "disable", "error rate").stdout
    assert "enabled" in quiet.cli("alerts", "enable", "error rate").stdout
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("rules:\n- {name: a, metric: m, above: 1}\n")
    bad.write_text("rules:\n- {name: a, metric: m,\n   above: high}\n")
    assert "1 rules" in quiet.cli("alerts", "check", good).stdout
    found = quiet.cli("alerts", "check", bad, "--json", check=False)
    assert found.returncode == 1 and json.loads(found.stdout)["line"] == 3
    for wrong, code, text in [(["show", "none"], 1, "no rule"), (["unsilence", "none"], 1, "neither"), (["test"], 1, "no destination"), (["frobnicate"], 2, "usage"), (["show"], 2, "usage")]:
        r = quiet.cli("alerts", *wrong, check=False)
        assert r.returncode == code and text in r.stderr, r


# ---- events ----

@pytest.mark.san
def test_a_rule_on_events_counts_what_was_answered_and_its_life_is_recorded(tmp_path, model_folder):
    def history(name):
        return [(e["kind"], e.get("to")) for e in api(s, "GET", "/history?limit=50&rule=" + urllib.parse.quote(name))["entries"]][::-1]

    with Sibyl(FAST) as s:
        s.register("iris", model_folder / "forest", alias="production")
        api(s, "POST", "/rules", {"name": "bad query", "events": "status:(", "above": 0}, 400)
        api(s, "POST", "/rules", {"name": "asked", "events": "model:iris AND status:ok", "window": "10s", "above": 2}, 201)
        api(s, "POST", "/rules", {"name": "slow", "events": "model:iris", "stat": "p50", "field": "duration", "at_least": 2, "window": "10s", "above": 0}, 201)
        api(s, "POST", "/rules", {"name": "part", "events": "model:iris AND status:invalid", "divided_by": {"events": "model:iris"}, "window": "10s", "above": 0.2}, 201)
        row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
        for body in (row, row, row, {"nonsense": 1}):
            s.post("/models/iris/predict", body)
        assert until_state(s, "asked", "firing")["value"] == 3
        assert 0 < until_state(s, "slow", "firing")["value"] < 10
        assert until_state(s, "part", "firing")["value"] == 0.25
        # nothing within the window any more
        for name in ("asked", "slow", "part"):
            until_state(s, name, "ok", 30)
        assert rules(s)["slow"]["no_data"] and rules(s)["asked"]["value"] == 0
        wait_for("the record", 10, lambda: history("asked") == [("alert.rule_changed", "created"), ("alert.firing", "firing"), ("alert.resolved", "ok")])
        silence = api(s, "POST", "/silences", {"rule": "asked", "for": "1h", "by": "ada", "why": "test"}, 201)
        api(s, "DELETE", f"/silences/{silence['id']}", headers={"X-User-Id": "bob"})
        api(s, "DELETE", rule_path("asked"))
        wait_for("all of it", 10, lambda: [k for k, _ in history("asked")][3:] == ["alert.silenced", "alert.unsilenced", "alert.rule_changed"])
        entries = api(s, "GET", "/history?rule=asked")["entries"]
        assert [e.get("actor") for e in entries[1:3]] == ["bob", "ada"] and entries[2]["message"] == "test"
        assert s.stop() == 0, s.log()[-4000:]


def test_workers_that_end_are_counted(tmp_path, model_folder):
    with Sibyl(FAST) as s:
        s.register("wrapped", model_folder / "wrapped", alias="production")
        definition = rules(s)["worker restarts"]["definition"]
        wait_for("a value", 10, lambda: rules(s)["worker restarts"]["value"] == 0)
        api(s, "PUT", rule_path("worker restarts"), {**definition, "above": 0})
        wait_for("a value", 10, lambda: rules(s)["worker restarts"]["value"] == 0)
        os.kill(wait_for("its worker", 30, s.worker_pids)[0], signal.SIGKILL)
        fired = until_state(s, "worker restarts", "firing", 60)
        assert fired["value"] == 1 and fired["series"]["model"] == "wrapped"
        assert fired["summary"] == "Workers of wrapped 1 ended unasked 1 times within 10m."


# ---- the file ----

@pytest.mark.san
def test_a_broken_file_keeps_the_last_good_rules(tmp_path):
    data = tmp_path / "data"
    file = data / "alerts.yaml"
    with Sibyl(FAST, folder=tmp_path) as s:
        file.write_text("rules:\n  - name: mine\n    metric: process_open_fds\n    above: 1\n")
        until_state(s, "mine", "firing")
        file.write_text("rules:\n  - name: mine\n    metric: process_open_fds\n    abow: 1\n")
        error = wait_for("the error", 10, lambda: api(s, "GET", "")["file"]["error"])
        assert "alerts.yaml line 4" in error and "did you mean above?" in error
        assert rules(s)["mine"]["state"] == "firing" and rules(s)["mine"]["origin"] == "file"
        # a bomb of aliases is refused too, and costs nothing
        file.write_text("a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)))
        wait_for("the bomb's error", 10, lambda: "more than" in (api(s, "GET", "")["file"]["error"] or ""))
        file.write_text("rules:\n  - name: other\n    metric: process_open_fds\n    above: 1\n")
        until_state(s, "other", "firing")
        assert "mine" not in rules(s) and api(s, "GET", "")["file"]["error"] is None
        file.unlink()
        wait_for("no rules of a file", 10, lambda: "other" not in rules(s))
        assert s.stop() == 0


# ---- delivery ----

@pytest.mark.san
def test_alertmanager_and_webhook_hear_of_an_alert_and_of_its_end(tmp_path, webhook):
    with alertmanager(tmp_path) as am, Sibyl(FAST, f"--alerts-alertmanager-url=http://127.0.0.1:{am}", f"--alerts-webhook-url=http://127.0.0.1:{webhook.port}/hook") as s:
        def listed():
            return {a["labels"]["alertname"]: a for a in request(am, "GET", "/api/v2/alerts").json()}
        api(s, "POST", "/rules", {**CONNECTIONS, "name": "crowd", "severity": "critical", "labels": {"team": "ml"},
                                  "annotations": {"runbook": "http://runbook/"}, "summary": "{value} connections to {server}, over {threshold}"}, 201)
        many = Open(s.serving, 30)
        until_state(s, "crowd", "firing")
        alert = wait_for("the alert at Alertmanager", 20, lambda: listed().get("crowd"))
        assert alert["labels"] == {"alertname": "crowd", "severity": "critical", "team": "ml"}
        assert alert["annotations"]["runbook"] == "http://runbook/" and alert["annotations"]["summary"].endswith("connections to serving, over 20")
        wait_for("the webhook's call", 20, lambda: webhook.heard("crowd"))
        call = webhook.got[-1]
        assert webhook.paths[-1] == "/hook" and call["version"] == "4" and call["status"] == "firing" and call["alerts"][0]["labels"] == alert["labels"]
        many.close()
        until_state(s, "crowd", "ok")
        wait_for("the end at Alertmanager", 20, lambda: "crowd" not in listed())
        wait_for("the end at the webhook", 20, lambda: webhook.heard("crowd") == ["firing", "resolved"])
        told = wait_for("both told twice", 10, lambda: (lambda ds: all(d["sent"] >= 2 for d in ds) and ds)(api(s, "GET", "")["destinations"]))
        assert [(d["name"], d["state"], d["failed"], d["waiting"]) for d in told] == [("webhook", "ok", 0, 0), ("alertmanager", "ok", 0, 0)]
        for name in ("webhook", "alertmanager"):
            tried = api(s, "POST", f"/destinations/{name}/test", {})
            assert tried["ok"] and tried["status"] == 200, tried
        assert "sibyl test" in listed() and webhook.heard("sibyl test") == ["firing"]
        assert s.cli("alerts", "test", "webhook").returncode == 0
        assert s.stop() == 0, s.log()[-4000:]


def test_a_silenced_alert_is_not_told(tmp_path, webhook):
    with Sibyl(FAST, f"--alerts-webhook-url=http://127.0.0.1:{webhook.port}") as s:
        for name in ("loud", "silent"):
            api(s, "POST", "/rules", {**CONNECTIONS, "name": name}, 201)
        silence = api(s, "POST", "/silences", {"rule": "silent", "for": "1h", "why": "test", "by": "ada"}, 201)
        assert silence["matches"] == ["silent"]
        many = Open(s.serving, 30)
        for name in ("loud", "silent"):
            until_state(s, name, "firing")
        wait_for("the loud one", 20, lambda: webhook.heard("loud"))
        assert rules(s)["silent"]["silenced"] and webhook.heard("silent") == []
        # its end makes the alert heard, for it fires still
        api(s, "DELETE", f"/silences/{silence['id']}")
        wait_for("the other one", 20, lambda: webhook.heard("silent") == ["firing"])
        # by labels; over again while silenced: the end of what was told is told
        api(s, "POST", "/silences", {"labels": {"severity": "warning"}, "for": "1h"}, 201)
        many.close()
        wait_for("the ends", 20, lambda: webhook.heard("silent") == ["firing", "resolved"] and webhook.heard("loud") == ["firing", "resolved"])
        again = Open(s.serving, 30)
        until_state(s, "silent", "firing")
        again.close()
        until_state(s, "silent", "ok")
        assert webhook.heard("silent") == ["firing", "resolved"]


def test_a_destination_that_is_down_hears_of_it_later_and_no_secret_is_shown(tmp_path):
    hook = Webhook()
    with Sibyl(FAST, f"--alerts-webhook-url=http://ada:s3cret@127.0.0.1:{hook.port}/t0ken?k=s3cret") as s:
        api(s, "POST", "/rules", {"name": "always", "metric": "process_open_fds", "above": 1}, 201)
        until_state(s, "always", "firing")
        down = wait_for("a failure", 20, lambda: (lambda d: d["state"] == "failing" and d)(api(s, "GET", "")["destinations"][0]))
        assert down["failed"] >= 1 and down["waiting"] == 1 and down["url"] == f"http://***@127.0.0.1:{hook.port}/..."
        assert "connect" in down["last_error"], down
        tried = api(s, "POST", "/destinations/webhook/test", {})
        assert not tried["ok"] and tried["status"] is None
        hook.start()
        wait_for("the call", 30, lambda: hook.heard("always") == ["firing"])
        assert hook.paths[-1] == "/t0ken?k=s3cret" and hook.headers[-1]["Authorization"].startswith("Basic ")
        wait_for("ok again", 10, lambda: api(s, "GET", "")["destinations"][0]["state"] == "ok")
        shown = json.dumps(api(s, "GET", "")) + json.dumps(tried) + s.log()
        assert "s3cret" not in shown and "t0ken" not in shown
        for role in ("platform", "serving"):
            assert "s3cret" not in " ".join(command_of(s.role_pid(role)))
        assert "not_delivered" in s.log() and "delivered_again" in s.log()
        hook.stop()


@pytest.mark.san
def test_a_restart_announces_nothing_twice_and_tells_the_end(tmp_path, webhook):
    url = f"--alerts-webhook-url=http://127.0.0.1:{webhook.port}"
    with Sibyl(FAST, url, folder=tmp_path) as s:
        api(s, "POST", "/rules", {"name": "lasting", "metric": "process_open_fds", "above": 1}, 201)
        fired = until_state(s, "lasting", "firing")["fired_ms"]
        wait_for("the call", 20, lambda: webhook.heard("lasting") == ["firing"])
        # the platform process dies at once; then all of it stops and starts
        wait_for("state on disk", 10, lambda: '"webhook":"firing"' in (tmp_path / "data/alerts/state.json").read_text())
        old = s.role_pid("platform")
        os.kill(old, signal.SIGKILL)
        wait_for("a new platform", 30, lambda: s.role_pid("platform") != old and request(s.dashboard, "GET", "/health").status == 200)
        wait_for("an evaluation", 20, lambda: rules(s)["lasting"]["value"])
        assert rules(s)["lasting"]["fired_ms"] == fired and rules(s)["lasting"]["state"] == "firing"
        assert s.stop() == 0
        s.start()
        wait_for("an evaluation", 20, lambda: rules(s)["lasting"]["value"])
        assert rules(s)["lasting"]["fired_ms"] == fired
        api(s, "POST", rule_path("lasting") + "/disable", {})
        wait_for("the end", 20, lambda: webhook.heard("lasting") == ["firing", "resolved"])
        assert s.stop() == 0


def test_damaged_files_of_its_own_are_said_and_not_overwritten(tmp_path):
    folder = tmp_path / "data/alerts"
    with Sibyl(FAST, folder=tmp_path) as s:
        api(s, "POST", "/rules", {"name": "kept", "metric": "m", "above": 1}, 201)
        assert s.stop() == 0
        (folder / "rules.yaml").write_text("rules:\n  - name: kept\n    metrics: m\n")
        (folder / "state.json").write_text("{")
        s.start()
        overview = api(s, "GET", "")
        assert "rules.yaml line 3" in overview["store"]["error"]
        assert "would be lost" in api(s, "POST", "/rules", {"name": "x", "metric": "m", "above": 1}, 409)["error"]
        assert "metrics: m" in (folder / "rules.yaml").read_text()
        assert "state_lost" in s.log()
        assert s.stop() == 0


def test_serving_down_keeps_states_and_says_so(tmp_path):
    with Sibyl(FAST) as s:
        api(s, "POST", "/rules", {"name": "fds", "metric": "process_open_fds", "where": {"process": "serving"}, "above": 1}, 201)
        until_state(s, "fds", "firing")
        pid = s.role_pid("serving")
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_for("the error", 20, lambda: api(s, "GET", "")["metrics_error"])
            r = rules(s)["fds"]
            assert r["state"] == "firing" and "could not be read" in r["error"]
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_for("no error", 20, lambda: api(s, "GET", "")["metrics_error"] is None and rules(s)["fds"]["error"] is None)
        assert rules(s)["fds"]["state"] == "firing"
