"""Artifacts over HTTP: hostile paths, names that must survive, and large files in little memory."""
import os
import threading
import time
import urllib.parse

import pytest

FILES = "/api/2.0/mlflow-artifacts/artifacts"
MB = 1 << 20

# each is put after FILES/ as it stands, and given to ?path= percent-encoded once
HOSTILE = [
    "../secret", "a/../../secret", "..", "a/..", "%2e%2e/secret", "%2E%2E%2Fsecret", "a/%2e%2e/%2e%2e/secret",
    "%252e%252e/secret", "%25252e%25252e%25252fsecret", "..%2fsecret", "..%252fsecret", "a%2f..%2f..%2fsecret",
    "%2fetc/passwd", "%252fetc/passwd", "/etc/passwd", "//etc/passwd", "a%23b", "%2523", "x%2523/../secret",
    "a%5cb", "..%5c..%5csecret", "%255c%255chost%255cshare", "C%3A/secret", "c%3a", "C%3A%5Csecret",
    "a%00b", "a%2500.txt", "file%3A///etc/passwd", "file:/etc/passwd", "FILE%3Aetc", "%ff%fe", "a/%c3%28",
    ".sibyl-upload/0", "%2esibyl-upload/0", "a/" * 40 + "x", "n" * 300,
]


@pytest.fixture(scope="module", autouse=True)
def bait(registry):
    """Outside the artifact folder, and links that lead there."""
    (registry.folder / "secret").write_text("secret")
    root = registry.folder / "artifacts"
    (root / "links").mkdir()
    (root / "links/inside.txt").write_text("fine")
    os.symlink(registry.folder, root / "links/out")
    os.symlink(registry.folder / "secret", root / "links/file")
    os.symlink("inside.txt", root / "links/near")
    yield
    assert (registry.folder / "secret").read_text() == "secret"
    assert sorted(p.name for p in registry.folder.iterdir() if not p.name.startswith("mlflow.db")) == \
        ["artifacts", "log", "secret"]
    assert list((root / ".sibyl-upload").iterdir()) == []


@pytest.mark.parametrize("path", HOSTILE, ids=lambda p: p[:30])
def test_hostile_paths_are_refused(registry, path):
    for method in ("GET", "PUT", "DELETE"):
        r = registry.call(method, f"{FILES}/{path}", raw=b"x" if method == "PUT" else None)
        assert r.status in (400, 404), (method, r.status, r.body)
        assert b"secret" not in r.body.replace(path.encode(), b"").replace(b"'" + path.encode(), b"")
        assert "error_code" in r.json()
    for where in ({"path": urllib.parse.unquote_to_bytes(path)}, {"path": path}):
        assert registry.call("GET", FILES, query=where).status in (200, 400)
        assert registry.call("GET", FILES, query=where).json().get("files") is None


@pytest.mark.parametrize("path", ["links/out/secret", "links/file", "links/out", "links/out/x/y"])
def test_links_lead_nowhere(registry, path):
    assert registry.call("GET", f"{FILES}/{path}").status == 404
    assert registry.call("GET", FILES, query={"path": path}).json() == {}
    if path != "links/file" and path != "links/out":
        assert registry.call("PUT", f"{FILES}/{path}", raw=b"overwritten").status == 400
        assert registry.call("DELETE", f"{FILES}/{path}").status == 200
    names = {f["path"] for f in registry.call("GET", FILES, query={"path": "links"}).json()["files"]}
    assert names == {"inside.txt"}


def test_hostile_paths_of_runs_are_refused(registry):
    run = registry.call("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    registry.call("PUT", f"{FILES}/0/{run}/artifacts/ok.txt", raw=b"ok")
    assert registry.call("GET", "/get-artifact", query={"run_id": run, "path": "ok.txt"}).body == b"ok"
    for path in ("../../../../secret", "%2e%2e/x", "/etc/passwd", "a#b", "%252e%252e%252fx", "..\\x"):
        r = registry.call("GET", "/get-artifact", query={"run_id": run, "path": path})
        assert r.status == 400 and r.json()["error_code"] == "INVALID_PARAMETER_VALUE", (path, r.body)
        r = registry.call("GET", "/api/2.0/mlflow/artifacts/list", query={"run_id": run, "path": path})
        assert r.status == 400, path


@pytest.mark.parametrize("location", ["file:///etc", "/etc", "mlflow-artifacts:/../x", "mlflow-artifacts:/a#b",
                                      "mlflow-artifacts:/%252e%252e/x", "mlflow-artifacts:/a?b=c"])
def test_hostile_locations_are_refused_or_lead_nowhere(registry, location):
    """What an experiment calls its artifact location never makes the server read elsewhere."""
    r = registry.call("POST", "/api/2.0/mlflow/experiments/create", {"name": f"loc {location}",
                                                                     "artifact_location": location})
    if r.status == 400:
        return
    e = r.json()["experiment_id"]
    run = registry.call("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": e}).json()["run"]["info"]["run_id"]
    for path in ("passwd", "hostname"):
        assert registry.call("GET", "/get-artifact", query={"run_id": run, "path": path}).status == 400
    assert registry.call("GET", "/api/2.0/mlflow/artifacts/list", query={"run_id": run}).status == 400


NAMES = ["a b", "c+d", "e&f=g", "h;i,j", "k'l\"m", "ünï-日本-😀", "(x)[y]{z}", "$`|<>*", "~!@^", "100%", "a:b",
         ".hidden", "..double", "trailing.", "name.tar.gz"]


@pytest.mark.parametrize("name", NAMES)
def test_names_round_trip(registry, name):
    url = f"{FILES}/names/{urllib.parse.quote(name, safe='')}"
    assert registry.call("PUT", url, raw=name.encode()).status == 200
    r = registry.call("GET", url)
    assert r.body == name.encode() and r.headers["X-Content-Type-Options"] == "nosniff"
    assert r.headers["Content-Disposition"].startswith("attachment; filename=")
    assert name in {f["path"] for f in registry.call("GET", FILES, query={"path": "names"}).json()["files"]}
    assert registry.call("DELETE", url).status == 200
    assert registry.call("GET", url).status == 404


def test_names_are_decoded_to_the_end_as_mlflow_does(registry):
    registry.call("PUT", f"{FILES}/quirk/pct%2541.txt", raw=b"x")
    assert registry.call("GET", FILES, query={"path": "quirk"}).json()["files"][0]["path"] == "pctA.txt"


def test_files_and_folders_in_each_others_way(registry):
    registry.call("PUT", f"{FILES}/way/file", raw=b"1")
    assert registry.call("PUT", f"{FILES}/way/file/below", raw=b"2").status == 400
    assert registry.call("PUT", f"{FILES}/way", raw=b"3").status == 400
    assert registry.call("GET", f"{FILES}/way").status == 400
    assert registry.call("GET", f"{FILES}/way/file/below").status == 404
    assert registry.call("GET", f"{FILES}/way/file").body == b"1"
    registry.call("PUT", f"{FILES}/way/file", raw=b"22")
    assert registry.call("GET", f"{FILES}/way/file").body == b"22"
    registry.call("DELETE", f"{FILES}/way")
    assert registry.call("GET", FILES, query={"path": "way"}).json() == {}


def test_an_upload_cut_short_leaves_nothing(registry):
    import socket
    with socket.create_connection(("127.0.0.1", registry.port)) as s:
        s.sendall(f"PUT {FILES}/cut/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3000000\r\n\r\n".encode())
        s.sendall(b"y" * 1000000)
        time.sleep(0.2)
    end = time.monotonic() + 5
    while list((registry.folder / "artifacts/.sibyl-upload").iterdir()) and time.monotonic() < end:
        time.sleep(0.05)
    assert list((registry.folder / "artifacts/.sibyl-upload").iterdir()) == []
    assert registry.call("GET", f"{FILES}/cut/x").status == 404


class Memory:
    """The highest resident and proportional size while it runs."""

    def __init__(self, server):
        self.server, self.rss, self.pss = server, 0, 0

    def watch(self):
        while not self.stop.wait(0.05):
            rss, pss = self.server.memory()
            self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)

    def __enter__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        self.thread.join()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_gigabyte_up_and_down_in_100_mb(registry, chunked):
    import http.client
    n = 1024 if not chunked else 128
    block = bytes(range(256)) * 4096
    with Memory(registry) as memory:
        headers = {} if chunked else {"Content-Length": str(n * MB)}
        r = registry.call("PUT", f"{FILES}/big/file", raw=iter([block] * n), headers=headers)
        assert r.status == 200, r.body
        c = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=60)
        c.request("GET", f"{FILES}/big/file")
        response = c.getresponse()
        assert int(response.headers["Content-Length"]) == n * MB
        got = 0
        while data := response.read(MB):
            assert data == block[:len(data)]
            got += len(data)
            if got == 64 * MB:
                time.sleep(0.3)  # a reader that stops: the server must not read ahead
        c.close()
    assert got == n * MB
    assert memory.rss < 100 * MB and memory.pss < 100 * MB, (memory.rss / MB, memory.pss / MB)
    registry.call("DELETE", f"{FILES}/big")
