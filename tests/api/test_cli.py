"""The commands for people: what they print, as text and as JSON, and what they say when something is wrong."""

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import time

import pytest

from instance import SLOW, clean_environment, run
from sibyl import SIBYL, Sibyl, request, wait_for

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
NOTHING = "http://127.0.0.1:1"
HOSTILE = "a\x1b[2J\u202e\x9b31m b"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def sibyl(served, *args, stdin=None):
    return subprocess.run([str(SIBYL), *map(str, args), "--data", str(served.data)], input=stdin, capture_output=True,
                          text=True, timeout=60 * SLOW, env=clean_environment())


def good(served, *args, **kw):
    r = sibyl(served, *args, **kw)
    assert r.returncode == 0, r.stderr
    assert r.stderr == ""
    return r.stdout


def answer(text):
    """A prediction without what is its own each time."""
    doc = json.loads(text)
    assert doc.pop("event_id")
    return doc


# ---- models, routes ----


def test_models_as_text_and_as_json(served):
    text = good(served, "models")
    assert re.search(r"^iris\n  live +version 1  native  \(alias production\)  \S+RandomForestClassifier  [\d.]+ [kM]?B$", text, re.M)
    assert json.loads(good(served, "models", "--json")) == served.get("/models").json()


def test_routes_say_who_answers_and_why(served):
    lines = good(served, "routes").splitlines()
    assert lines[0].split() == ["ROUTE", "ROLE", "MODEL", "VERSION", "BACKEND", "POLICY"]
    assert lines[1].split() == ["iris", "primary", "iris", "1", "native", "alias", "production"]
    assert f"http://127.0.0.1:{served.registry}" in lines[-1]
    doc = json.loads(good(served, "routes", "--json"))
    assert doc["routes"] == [{"route": "iris", "primary": {"model": "iris", "version": "1", "alias": "production",
                                                           "policy": "alias production", "backend": "native"}}]
    assert doc["registry"] == {"url": f"http://127.0.0.1:{served.registry}", "state": "connected"}


def test_routes_show_the_shadow_and_what_failed(fresh, model_folder, tmp_path):
    assert "No model is registered" in good(fresh, "routes") and "No model is registered" in good(fresh, "models")
    fresh.register("iris", model_folder / "forest", alias="production")
    fresh.register("iris", model_folder / "forest", alias="shadow", wait=0)
    wait_for("shadow", 60, lambda: fresh.model("iris").get("shadow"))
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    fresh.register("iris", tmp_path, alias="production", wait=0)
    wait_for("failure", 60, lambda: fresh.model("iris").get("failure"))
    text = good(fresh, "routes")
    assert re.search(r"^ +shadow +iris +2 +native +alias shadow$", text, re.M)
    assert re.search(r"^  failed +version 3$", text, re.M)
    route = json.loads(good(fresh, "routes", "--json"))["routes"][0]
    assert route["shadow"]["version"] == "2" and route["failed_version"] == "3" and route["failure"]


# ---- predict ----


def test_predict_takes_its_request_from_everywhere(served, tmp_path):
    want = answer(served.post("/models/iris/predict", ROW).body)
    (tmp_path / "row.json").write_text(json.dumps(ROW))
    assert answer(good(served, "predict", "iris", json.dumps(ROW))) == want
    assert answer(good(served, "predict", "iris", f"@{tmp_path}/row.json")) == want
    assert answer(good(served, "predict", "iris", "-", stdin=json.dumps(ROW))) == want
    assert answer(good(served, "predict", "iris", stdin=json.dumps(ROW))) == want


def test_predict_sends_ids_user_tags_and_headers_into_the_event(served):
    good(served, "predict", "iris", json.dumps(ROW), "--request-id", "cli-1", "--user", "ada", "--tag", "team=blue", "--tag=x=y=z",
         "-HX-Session-Id=s1")
    lines = good(served, "events", "tail", "--json", "-n", "5").splitlines()
    event = next(e for e in map(json.loads, lines) if e["request_id"] == "cli-1")
    assert event["user"] == "ada" and event["session"] == "s1"
    assert event["tags"] == {"team": "blue", "x": "y=z"}


def test_predict_asks_another_serving_by_its_url(served, tmp_path):
    r = run("predict", "iris", json.dumps(ROW), "--url", f"http://127.0.0.1:{served.serving}", "--data", tmp_path / "none")
    assert r.returncode == 0 and answer(r.stdout) == answer(served.post("/models/iris/predict", ROW).body)


@pytest.mark.parametrize("args,code,text", [
    (["predict", "iris", "{}", "--url", NOTHING], 1, "--url"),
    (["predict", "iris", "{}", "--url", "ftp://x"], 1, "not an http:// or https:// URL"),
    (["predict", "iris", "{"], 1, "answered 400"),
    (["predict", "nobody", "{}"], 1, "`sibyl models` lists"),
    (["predict", "iris", "@/nonexistent"], 1, "/nonexistent"),
    (["predict", "iris", "{}", "--header", "no-equals"], 2, "NAME=VALUE"),
    (["predict", "iris", "{}", "--tag", "=x"], 2, "cannot be a header"),
    (["predict", "iris", "{}", "--user", "a\r\nX-Evil: 1"], 2, "control characters"),
    (["predict", "iris", "{}", "--content-type", "a\nb"], 2, "control characters"),
    (["predict", "iris", "{}", "{}"], 2, "usage: sibyl predict"),
    (["models", "--url", NOTHING], 1, "--url"),
    (["events", "show", "no-id"], 1, "no-id"),
    (["events", "tail", "-n", "-1"], 2, "--lines"),
    (["events", "list"], 2, "usage: sibyl events"),
])
def test_what_is_wrong_is_said_with_the_next_step(served, args, code, text):
    r = sibyl(served, *args)
    assert r.returncode == code and text in r.stderr, r.stderr
    assert r.stderr.startswith("sibyl: ") and r.stdout == ""


def test_without_a_platform_the_next_step_is_named(tmp_path):
    for args in (["models"], ["routes"], ["predict", "iris", "{}"]):
        r = run(*args, "--data", tmp_path, "--port-offset", 20)
        assert r.returncode == 1 and "is `sibyl up` running" in r.stderr, r.stderr


# ---- events ----


def test_events_are_read_without_a_platform(tmp_path, model_folder):
    with Sibyl("--worker-processes=0", folder=tmp_path) as s:
        s.register("iris", model_folder / "forest")
        event = s.post("/models/iris/predict", ROW).headers["X-Event-ID"]
    assert json.loads(good(s, "events", "show", event))["event_id"] == event
    line = good(s, "events", "tail").splitlines()[-1]
    assert event in line and " iris 1  primary  ok " in line and "species=setosa" in line


# ---- hostile names ----


@pytest.mark.san
def test_names_from_outside_cannot_drive_a_terminal(fresh, model_folder):
    fresh.register(HOSTILE, model_folder / "forest")
    assert not OBEYED.search(good(fresh, "predict", HOSTILE, json.dumps(ROW), "--tag", "t=\u202e"))
    for args in (["models"], ["routes"], ["events", "tail"]):
        text = good(fresh, *args)
        assert "\\x1b[2J\\u{202e}\\x9b31m" in text and not OBEYED.search(text), args
    for args in (["models", "--json"], ["routes", "--json"], ["events", "tail", "--json"]):
        text = good(fresh, *args)
        assert not OBEYED.search(text), args
        assert HOSTILE in strings(json.loads(text.splitlines()[-1])), args  # and yet it is the name
    r = sibyl(fresh, "predict", HOSTILE + "?", "{}")
    assert r.returncode == 1 and not OBEYED.search(r.stderr)


def strings(value):
    """All strings in a JSON value, joined."""
    if isinstance(value, dict):
        return " ".join(k + " " + strings(v) for k, v in value.items())
    if isinstance(value, list):
        return " ".join(map(strings, value))
    return value if isinstance(value, str) else ""


# ---- help, version ----


def test_version_as_text_and_as_json():
    text = run("version").stdout
    doc = json.loads(run("version", "--json").stdout)
    assert text == f"sibyl {doc['version']}\n" == run("--version").stdout
    assert set(doc) == {"version", "compiler", "architecture", "c_library", "libraries", "formats"}
    assert doc["architecture"] == os.uname().machine and doc["formats"]["backup"] == 1
    assert re.match(r"\d+\.\d+", doc["libraries"]["sqlite"])


def commands():
    return [line.split()[0] for line in run("--help").stdout.splitlines() if re.match(r"^  [a-z]+ ", line)]


def test_every_command_with_json_documents_its_fields():
    for name in commands():
        text = run(name, "--help").stdout
        assert ("  --json" in text) == ("--json prints:" in text), name


def test_examples_of_the_help_use_flags_that_exist():
    for name in commands():
        text = run(name, "--help").stdout
        if "\nexamples:\n" not in text:
            continue
        examples = text.split("\nexamples:\n")[1].split("\n\n")[0]
        for flag in re.findall(r"(--[a-z-]+)", re.sub(r"'[^']*'", "", examples)):
            assert re.search(rf"^  (-., )?{flag}\b", text, re.M), (name, flag)
        for called in re.findall(r"^  sibyl ([a-z]+)", examples, re.M):
            assert called == name


def test_the_documented_json_of_models_is_what_is_served(served):
    """`models --json` is GET /models: its documented members are the ones served."""
    text = run("models", "--help").stdout.split("--json prints:")[1]
    live = request(served.serving, "GET", "/models").json()["models"][0]["live"]
    for member in ("model", "version", "alias", "policy", "backend", "why", "class", "run_id", "artifact_sha256", "memory_bytes", "inputs", "outputs"):
        assert member in text and member in live


# ---- completion ----


def bash(line, env=None):
    """What bash's own completion, set up by `sibyl completion bash`, offers for the last word of a line."""
    script = f"""PATH={shlex.quote(str(SIBYL.parent))}:$PATH; source <(sibyl completion bash); complete -p sibyl >&2
        compopt() {{ :; }}  # bash knows it only while it completes
        COMP_LINE=$1; COMP_POINT=${{#COMP_LINE}}; _sibyl sibyl; printf '%s\\n' "${{COMPREPLY[@]}}" """
    r = subprocess.run(["bash", "--norc", "-c", script, "bash", line], capture_output=True, text=True, timeout=60 * SLOW,
                       env=clean_environment(**(env or {})))
    assert r.returncode == 0 and "-F _sibyl sibyl" in r.stderr, r.stderr
    return r.stdout.split()


@pytest.mark.parametrize("line,want", [
    ("sibyl mo", ["models"]),
    ("sibyl --ver", ["--version"]),
    ("sibyl no-such-command ", []),
    ("sibyl help ba", ["backup"]),
    ("sibyl models --js", ["--json"]),
    ("sibyl predict --tag", ["--tag"]),
    ("sibyl up --serving-th", ["--serving-threads"]),
    ("sibyl up --log-format ", ["text", "json"]),
    ("sibyl up --log-format j", ["json"]),
    ("sibyl up --log-format=j", ["json"]),
    ("sibyl up --insecure-no-auth=", ["true", "false"]),
    ("sibyl events ", ["tail", "show", "search"]),
    ("sibyl events -n 5 t", ["tail"]),
    ("sibyl events tail ", []),
    ("sibyl completion ", ["bash", "zsh", "fish"]),
    ("sibyl version --data", []),
])
def test_bash_completes_from_the_tables(line, want):
    assert bash(line) == want


def test_every_command_and_flag_is_offered():
    assert bash("sibyl ") == commands()
    for name in commands():
        flags = re.findall(r"^  (?:-., )?(--[a-z-]+)", run(name, "--help").stdout.split("\nflags:\n")[-1], re.M)
        offered = bash(f"sibyl {name} --")
        assert set(flags) <= set(offered) and "--help" in offered, name


def test_bash_completes_names_of_models_and_files(served, tmp_path):
    assert bash(f"sibyl predict --data {served.data} i") == ["iris"]
    assert bash("sibyl predict i", env={"SIBYL_DATA": str(served.data)}) == ["iris"]
    assert bash(f"sibyl predict --url http://127.0.0.1:{served.serving} ") == ["iris"]
    assert bash(f"sibyl predict --data {tmp_path} --port-offset 20 ") == []
    (tmp_path / "backup one").mkdir()
    (tmp_path / "settings.yaml").write_text("")
    assert bash(f"sibyl up --config {tmp_path}/se") == [f"{tmp_path}/settings.yaml"]
    assert bash(f"sibyl up --data={tmp_path}/se") == []
    assert " ".join(bash(f"sibyl restore {tmp_path}/b")) == f"{tmp_path}/backup one"


def test_a_tab_in_a_real_bash(tmp_path):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], clean_environment(PS1="> ", PATH=f"{SIBYL.parent}:{os.environ['PATH']}", TERM="dumb"))
    said = b""

    def see(text):
        nonlocal said
        end = time.monotonic() + 20 * SLOW
        while text not in said:
            assert time.monotonic() < end and select.select([terminal], [], [], 20 * SLOW)[0], said
            said += os.read(terminal, 65536)

    try:
        see(b"> ")
        os.write(terminal, b"source <(sibyl completion bash) && echo re''ady\n")
        see(b"ready\r\n")
        os.write(terminal, b"sibyl doctor --js\t")
        see(b"sibyl doctor --json")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def test_an_unknown_shell_is_refused():
    r = run("completion", "tcsh")
    assert r.returncode == 2 and "bash, zsh or fish" in r.stderr
