"""Alerts: rules made by form and as YAML, firing, silenced, disabled and deleted by clicks; destinations tried."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from dashboard import NAUGHTY, ROW, a_page, check_looks, platform
from sibyl import free_port, request, wait_for


@pytest.fixture(scope="module")
def page():
    with a_page() as p:
        yield p


@pytest.fixture(scope="module")
def hook():
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    server.got = got
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def s(hook):
    with platform(args=["--alerts-every=200ms", f"--alerts-webhook-url=http://127.0.0.1:{hook.server_address[1]}/x"]) as s:
        s.post("/models/iris/predict", ROW)
        yield s


def overview(s):
    return request(s.dashboard, "GET", "/api/alerts").json()


def rule(s, name):
    return next((r for r in overview(s)["rules"] if r["name"] == name), None)


def button(page, label, where):
    page.wait(f"(() => {{ const b = [...document.querySelectorAll({json.dumps(where)} + ' button')].find(b => (b.ariaLabel || b.textContent) === {json.dumps(label)}); b?.click(); return !!b; }})()")


def fill(page, **values):
    page.wait("!!document.querySelector('dialog input[name=name]')")
    for k, v in values.items():
        page.eval(f"(() => {{ const i = document.querySelector('dialog [name={k}]'); i.value = {json.dumps(v)}; i.dispatchEvent(new Event('change')); }})()")


def has_state(page, name, state):
    page.wait(f"[...document.querySelectorAll('#rules tbody tr')].some(r => r.cells[1]?.textContent === {json.dumps(name)} && r.cells[0]?.textContent.startsWith({json.dumps(state)}))")


def test_shipped_rules_are_shown_and_one_made_by_the_form_fires(s, page):
    page.go(f"http://127.0.0.1:{s.dashboard}/alerts")
    page.wait("document.querySelectorAll('#rules tbody tr').length >= 5")
    assert sorted(page.eval("[...document.querySelectorAll('#rules tbody tr')].map(r => r.cells[1].textContent)")) == sorted(r["name"] for r in overview(s)["rules"])
    button(page, "New rule", "#page")
    fill(page, name=NAUGHTY[0], watch="events", events="*", stat="count", threshold="0", window="10m", **{"for": "", "summary": NAUGHTY[1] + " {value}"})
    button(page, "What does it say now?", "dialog")
    page.wait("document.querySelector('#check')?.textContent.startsWith('beyond the threshold now')")
    check_looks(page, "alerts-form")
    page.size(1600, 900)
    button(page, "Save rule", "dialog")
    has_state(page, NAUGHTY[0], "firing")
    assert rule(s, NAUGHTY[0])["definition"]["events"] == "*"
    page.wait("document.querySelector('#firing b')?.textContent === '1'")
    page.wait("[...document.querySelectorAll('#history tbody tr')].some(r => r.cells[1]?.textContent === 'firing' && r.cells[4]?.textContent.includes('<script>'))")
    page.eval("window.scrollTo(0, 0)")
    check_looks(page, "alerts")
    page.size(1600, 900)
    assert page.eval("window.hacked") is None and page.eval("document.querySelectorAll('#page img').length") == 0


def test_a_wrong_rule_names_what_is_wrong_and_yaml_makes_one(s, page):
    page.go(f"http://127.0.0.1:{s.dashboard}/alerts")
    button(page, "New rule", "#page")
    fill(page, name="wrong", metric="sibyl_http_connections", threshold="many")
    button(page, "Save rule", "dialog")
    page.wait("document.querySelector('#check')?.textContent.includes('must be a number')")
    fill(page, threshold="5", window="1s")
    button(page, "Save rule", "dialog")
    page.wait("document.querySelector('#check')?.textContent.includes('window') && document.activeElement.name === 'window'")
    button(page, "YAML", "dialog")
    page.eval("document.querySelector('dialog textarea').value = '- name: by hand\\n  metric: sibyl_http_connections\\n  where: {server: serving}\\n  above: many\\n  severity: info\\n'")
    button(page, "Save rule", "dialog")
    page.wait("document.querySelector('#check')?.textContent.includes('above')")
    page.eval("document.querySelector('dialog textarea').value = '- name: by hand\\n  metric: sibyl_http_connections\\n  where: {server: serving}\\n  above: 1000\\n  severity: info\\n'")
    button(page, "Save rule", "dialog")
    has_state(page, "by hand", "ok")
    assert rule(s, "by hand")["definition"]["where"] == {"server": "serving"}
    # it is edited: what the form does not show stays
    page.go(f"http://127.0.0.1:{s.dashboard}/alerts?rule=by%20hand")
    button(page, "Edit", ".drawer")
    fill(page, threshold="2000")
    button(page, "Save rule", "dialog")
    wait_for("the change", 10, lambda: rule(s, "by hand")["threshold"] == 2000)
    page.wait("document.querySelector('.drawer pre')?.textContent.includes('2000')")
    assert page.problems == []


def test_silence_disable_and_delete_by_clicks(s, page):
    name = NAUGHTY[0]
    page.go(f"http://127.0.0.1:{s.dashboard}/alerts?" + page.eval(f"'rule=' + encodeURIComponent({json.dumps(name)})"))
    page.wait(f"document.querySelector('.drawer h2')?.textContent === {json.dumps(name)}")
    check_looks(page, "alerts-rule")
    page.size(1600, 900)
    button(page, "Silence", ".drawer")
    page.wait("!!document.querySelector('dialog input[name=why]')")
    page.eval(f"(() => {{ const i = document.querySelector('dialog input[name=why]'); i.value = {json.dumps(NAUGHTY[2])}; i.form.requestSubmit(); }})()")
    page.wait(f"document.querySelector('#silences')?.innerText.includes({json.dumps(NAUGHTY[2])})")
    assert rule(s, name)["silenced"] is True and overview(s)["silences"][0]["why"] == NAUGHTY[2]
    button(page, f"End the silence of {name}", "#silences")
    button(page, "End silence", "dialog")
    page.wait("document.querySelector('#silences')?.innerText.includes('Nothing is silenced')")
    assert rule(s, name)["silenced"] is False
    button(page, "Disable", ".drawer")
    button(page, "Disable", "dialog")
    has_state(page, name, "disabled")
    page.eval("document.activeElement.blur()")
    button(page, "Enable", ".drawer")
    button(page, "Enable", "dialog")
    has_state(page, name, "firing")
    page.eval("document.activeElement.blur()")
    button(page, "Delete", ".drawer")
    button(page, "Delete rule", "dialog")
    page.wait(f"!document.querySelector('.drawer') && ![...document.querySelectorAll('#rules tbody tr')].some(r => r.cells[1]?.textContent === {json.dumps(name)})")
    assert rule(s, name) is None and page.eval("window.hacked") is None
    page.problems[:] = [p for p in page.problems if "404" not in p]  # the drawer may ask for it once more
    assert page.problems == []


def test_a_destination_is_tried(s, page, hook):
    page.go(f"http://127.0.0.1:{s.dashboard}/alerts")
    before = len(hook.got)
    button(page, "Send a test alert to webhook", "#destinations")
    page.wait("document.querySelector('#toasts')?.textContent.includes('webhook took it: status 200')")
    assert len(hook.got) > before
