"""The program as a set of processes: start, ready, refusals, restarts, stopping, the command line."""

import http.client
import json
import os
import re
import signal
import socket
import time
import urllib.request

import pytest

from instance import ROLES, SLOW, Instance, run, until
from sibyl import ROOT, children, free_port



@pytest.fixture
def make_instance(tmp_path):
    """A function that makes instances, all stopped at the end: make_instance("--flag", ...)."""
    made = []

    def make(*args, start=True, **options):
        one = Instance(tmp_path / f"instance-{len(made)}", *args, **options)
        made.append(one)
        return one.start() if start else one

    yield make
    for one in made:
        if one.process:
            one.stop()


@pytest.fixture
def sibyl(make_instance):
    return make_instance()


def get(url):
    with urllib.request.urlopen(url, timeout=10 * SLOW) as r:
        return r.status, r.read()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---- start and ready ----


@pytest.mark.san
def test_up_says_what_is_where_and_all_of_it_answers(sibyl):
    said = sibyl.stdout()
    for role in ROLES:
        assert sibyl.url(role) in said
    assert "/sibyl events tail -f" in said and "Ctrl-C stops it" in said
    for url in re.findall(r"^  (?:predictions|registry|dashboard) +(http://\S+)", said, re.M):
        host, port = url[len("http://"):].split(":")
        with socket.create_connection((host, int(port)), timeout=5):
            pass
    for role in ("serving", "platform"):
        state = json.loads((sibyl.data / "run" / f"{role}.json").read_text())
        assert state["role"] == role and alive(state["pid"])


def test_start_to_ready_is_quick(sibyl):
    assert int(re.search(r"is ready after (\d+) ms", sibyl.stdout()).group(1)) < 2000


def test_port_offset_moves_every_port(make_instance):
    ports = [free_port() for _ in ROLES]
    shifted = make_instance("--port-offset=7", ports={role: port - 7 for role, port in zip(ROLES, ports)})
    for port in ports:
        assert f"http://127.0.0.1:{port}" in shifted.stdout()
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_port_0_takes_a_free_one_and_says_which(make_instance):
    one = make_instance(ports={"serving": 0, "registry": 0, "dashboard": 0})
    ports = [int(p) for p in re.findall(r"^  (?:predictions|registry|dashboard) +http://127.0.0.1:(\d+)", one.stdout(), re.M)]
    assert len(set(ports)) == 3 and 0 not in ports


def test_the_binary_runs_from_any_folder(make_instance, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    r = run("version", cwd=tmp_path / "elsewhere")
    assert r.returncode == 0 and r.stdout.startswith("sibyl ")


# ---- refusals ----


def test_second_start_on_a_data_folder_names_the_holder_at_once(sibyl):
    began = time.monotonic()
    r = run("up", "--data", sibyl.data, "--port-offset", 1000)
    assert time.monotonic() - began < 0.1 * SLOW
    assert r.returncode == 3
    assert str(sibyl.process.pid) in r.stderr and "--data" in r.stderr
    assert get(sibyl.serving + "/metrics")[0] == 200


def test_port_in_use_says_which_who_and_what_to_type(make_instance):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        one = make_instance(start=False, ports={"serving": free_port(), "registry": port,
                                                "dashboard": free_port()}).start(ready=False)
        assert one.process.wait(10 * SLOW) == 3
        assert f"port {port} " in one.log()
        assert f"pid {os.getpid()}" in one.log()
        assert "--port-offset" in one.log()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    r = run("up", "--data", tmp_path)
    assert r.returncode == 1 and "thesis.txt" in r.stderr and "--data" in r.stderr
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_data_of_a_later_format_is_refused(tmp_path):
    (tmp_path / "VERSION").write_text("sibyl-data 99\n")
    r = run("up", "--data", tmp_path)
    assert r.returncode == 1 and "format 99" in r.stderr
    assert not (tmp_path / "journal").exists()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_a_listener_that_others_reach_needs_consent(address, tmp_path):
    r = run("up", "--data", tmp_path / "d", f"--serving-listen={address}")
    assert r.returncode == 2 and "--insecure-no-auth" in r.stderr
    assert not (tmp_path / "d").exists()


# ---- children ----


@pytest.mark.parametrize("role,url", [("serving", "serving"), ("platform", "registry")])
def test_a_killed_child_is_restarted_and_the_other_stays(sibyl, role, url):
    other = {"serving": "platform", "platform": "serving"}[role]
    before, neighbour = sibyl.pid_of(role), sibyl.pid_of(other)
    os.kill(before, signal.SIGKILL)
    after = until(lambda: sibyl.pid_of(role) != before and sibyl.pid_of(role), 10, "restart")
    assert alive(after) and sibyl.pid_of(other) == neighbour and alive(neighbour)
    until(lambda: "running again" in sibyl.log(), 10, "log line")
    assert f"event=restarting process={role} after_ms=200" in sibyl.log()
    socket.create_connection(("127.0.0.1", sibyl.ports[url]), timeout=5).close()


def test_back_off_grows_while_a_child_keeps_dying(sibyl):
    for _ in range(3):
        pid = until(lambda: alive(sibyl.pid_of("platform")) and sibyl.pid_of("platform"), 10)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), 5)
        until(lambda: sibyl.pid_of("platform") != pid, 10, "restart")
    waits = [int(w) for w in re.findall(r"process=platform after_ms=(\d+)", sibyl.log())]
    assert waits == [200, 400, 800]


def test_children_end_when_the_supervisor_is_killed(sibyl):
    children = [sibyl.pid_of("serving"), sibyl.pid_of("platform")]
    sibyl.process.kill()
    sibyl.process.wait()
    until(lambda: not any(alive(p) for p in children), 12, "children end")


def test_data_folder_is_free_after_kill_9(make_instance):
    one = make_instance()
    pids = [one.pid_of("serving"), one.pid_of("platform")]
    one.process.kill()
    one.process.wait()
    until(lambda: not any(alive(p) for p in pids), 12, "children end")
    one.start()


# ---- stopping ----


@pytest.mark.san
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stops_cleanly_and_can_start_again(make_instance, sig):
    one = make_instance()
    pids = [one.pid_of("serving"), one.pid_of("platform")]
    began = time.monotonic()
    assert one.stop(sig) == 0
    assert time.monotonic() - began < 3 * SLOW
    assert not any(alive(p) for p in pids)
    one.start()
    assert one.stop() == 0


@pytest.mark.san
def test_stopped_at_any_moment_of_its_start_it_ends_well(make_instance):
    """A child that was asked to stop before it listened for that made the whole end with 1."""
    for i in range(12):
        one = make_instance(start=False).start(ready=False)
        until(lambda: children(one.process.pid), what="a child")
        time.sleep(0.005 * i * SLOW)
        assert one.stop() == 0, one.log()


def test_ctrl_c_in_a_terminal_reaches_all_and_is_clean(make_instance):
    one = make_instance()
    os.killpg(one.process.pid, signal.SIGINT)
    assert one.process.wait(12 * SLOW) == 0
    assert "process killed" not in one.log()


def test_hanging_up_does_not_stop_what_nohup_started(make_instance):
    one = make_instance(start=False)
    one.prefix = ["nohup"]
    one.start()
    one.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert not one.exited() and "event=stopping" not in one.log()
    assert one.stop() == 0


def test_a_request_in_flight_is_answered_before_the_end(sibyl):
    """Its head is there, its body comes after SIGTERM: drained, not dropped."""
    body = b"{}"
    c = http.client.HTTPConnection("127.0.0.1", sibyl.ports["serving"], timeout=10 * SLOW)
    c.putrequest("POST", "/models/nobody/predict")
    c.putheader("Content-Type", "application/json")
    c.putheader("Content-Length", str(len(body)))
    c.endheaders()
    time.sleep(0.2)
    sibyl.process.send_signal(signal.SIGTERM)
    until(lambda: "event=draining" in sibyl.log(), 5, "drain")
    c.send(body)
    r = c.getresponse()
    assert r.status == 404 and r.getheader("Connection") == "close"
    assert sibyl.process.wait(12 * SLOW) == 0


def test_new_connections_are_refused_while_draining(sibyl):
    c = http.client.HTTPConnection("127.0.0.1", sibyl.ports["serving"], timeout=10 * SLOW)
    c.putrequest("POST", "/models/nobody/predict")
    c.putheader("Content-Length", "2")
    c.endheaders()
    time.sleep(0.2)
    sibyl.process.send_signal(signal.SIGTERM)
    until(lambda: "event=draining" in sibyl.log(), 5, "drain")

    def refused():
        try:
            socket.create_connection(("127.0.0.1", sibyl.ports["serving"]), timeout=1).close()
            return False
        except ConnectionRefusedError:
            return True

    until(refused, 3, "listener closed")
    c.close()
    assert sibyl.process.wait(12 * SLOW) == 0


def test_a_request_that_never_ends_delays_the_stop_by_10_s_at_most(sibyl):
    s = socket.create_connection(("127.0.0.1", sibyl.ports["serving"]))
    s.sendall(b"POST /models/nobody/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
    time.sleep(0.2)
    began = time.monotonic()
    sibyl.process.send_signal(signal.SIGTERM)
    sibyl.process.wait(15 * SLOW)
    assert time.monotonic() - began < 10.5
    s.close()


def test_a_second_ctrl_c_ends_at_once_and_says_so(sibyl):
    s = socket.create_connection(("127.0.0.1", sibyl.ports["serving"]))
    s.sendall(b"POST /models/nobody/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
    time.sleep(0.2)
    sibyl.process.send_signal(signal.SIGINT)
    until(lambda: "event=draining" in sibyl.log(), 5, "drain")
    began = time.monotonic()
    sibyl.process.send_signal(signal.SIGINT)
    assert sibyl.process.wait(5 * SLOW) == 1
    assert time.monotonic() - began < 1 * SLOW
    s.close()


# ---- the command line ----


def test_no_arguments_shows_the_commands():
    r = run()
    assert r.returncode == 2 and "usage: sibyl COMMAND" in r.stdout
    assert re.search(r"^  up ", r.stdout, re.M)
    assert not re.search(r"^  (serving|platform|convert|docs) ", r.stdout, re.M)


def test_every_command_has_help():
    names = re.findall(r"^  ([a-z]+) ", run("--help").stdout, re.M)
    assert {"up", "version"} <= set(names)
    for name in names:
        r = run(name, "--help")
        assert r.returncode == 0 and f"usage: sibyl {name}" in r.stdout, name
        assert max(map(len, r.stdout.splitlines())) <= 100, name


@pytest.mark.parametrize("args,code,text", [
    (["upp"], 2, "is `sibyl up` meant?"),
    (["frobnicate"], 2, "`sibyl --help` lists them"),
    (["help", "vresion"], 2, "is `sibyl version` meant?"),
    (["up", "--servng-listen", "x"], 2, "is --serving-listen meant?"),
    (["up", "--data"], 2, "--data needs a value"),
    (["up", "word"], 2, "up takes no arguments"),
    (["up", "--serving-timeout=never"], 2, 'serving.timeout = "never" (--serving-timeout): allowed is'),
    (["up", "--log-level", "loud"], 2, "debug, info, warn, warning or error"),
    (["up", "--config", "/nowhere/x.yaml"], 2, "/nowhere/x.yaml"),
    (["version", "--data", "x"], 2, "version has no flag --data"),
    (["up", "-q"], 2, "up has no flag -q"),
])
def test_a_wrong_command_line_says_what_is_right(args, code, text):
    r = run(*args)
    assert r.returncode == code and text in r.stderr and r.stdout == ""


@pytest.mark.parametrize("yaml,text", [
    ("serving:\n  listn: 127.0.0.1:1\n", 'there is no setting "serving.listn"; is "serving.listen" meant?'),
    ("serving:\n  timeout: 5\n", 'serving.timeout = "5"'),
    ("data: [\n", "line"),
    ("- a\n", "must be a mapping"),
])
def test_a_wrong_file_is_refused_with_its_name(tmp_path, yaml, text):
    f = tmp_path / "sibyl.yaml"
    f.write_text(yaml)
    r = run("up", "--config", f)
    assert r.returncode == 2 and str(f) in r.stderr and text in r.stderr


def test_a_wrong_variable_is_refused_with_its_name():
    r = run("up", env={"LOG_LEVEL": "chatty"})
    assert r.returncode == 2 and "env LOG_LEVEL" in r.stderr and '"chatty"' in r.stderr


def test_file_variable_and_flag_win_in_this_order(make_instance, tmp_path):
    f = tmp_path / "sibyl.yaml"
    f.write_text(f"log: {{format: json, level: error}}\nserving: {{threads: 3}}\n")
    one = make_instance("--serving-threads=1", env={"SIBYL_CONFIG": str(f), "LOG_LEVEL": "INFO"})
    lines = [json.loads(line) for line in one.log().splitlines()]
    assert any(line["event"] == "ready" for line in lines)  # info, in JSON
    args = open(f"/proc/{one.pid_of('serving')}/cmdline").read().split("\0")
    assert "--serving-threads=1" in args


def test_generated_pages_name_every_setting():
    page = run("docs", "configuration").stdout
    up = run("up", "--help").stdout
    for flag in re.findall(r"`(--[a-z-]+)`", page):
        if flag != "--config":
            assert re.search(rf"^  {flag}\b", up, re.M), flag
    assert (ROOT / "docs" / "CONFIGURATION.md").read_text() == page
