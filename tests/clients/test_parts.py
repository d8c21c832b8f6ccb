"""Uploads in parts, ranges of downloads, and small uploads from the pages."""
import os
import shutil
import signal
import subprocess
import urllib.parse

import pytest

from servers import PYTHONS, ROOT, Ours, free_port, run_python, wait_for
from sibyl import request

FILES = "/api/2.0/mlflow-artifacts/artifacts"
MPU = "/api/2.0/mlflow-artifacts/mpu"
SMALL = {"MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1000000", "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": "1000000",
         "MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE": "700000"}


def leftovers(server):
    return sorted(p.name for p in (server.folder / "artifacts/.sibyl-upload").iterdir())


@pytest.mark.parametrize("version", PYTHONS)
def test_clients_upload_in_parts(registry, version, tmp_path):
    asked = {} if version == "3.17.2" else {"MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true"}  # or by server-info
    run = run_python(PYTHONS[version], ROOT / "tests/clients/parts.py", registry.url, tmp_path, env={**SMALL, **asked})
    listed = registry.call("GET", FILES, query={"path": f"0/{run.strip().splitlines()[-1]}/artifacts/deep/er"}).json()
    assert sorted(f["file_size"] for f in listed["files"]) == [20, 3_000_000, 5_300_123]
    assert leftovers(registry) == []


def begin(server, folder, name, parts):
    r = server.call("POST", f"{MPU}/create/{folder}", {"path": name, "num_parts": parts})
    assert r.status == 200, r.body
    made = r.json()
    assert [c["part_number"] for c in made["credentials"]] == list(range(1, parts + 1))
    assert all(c["url"].startswith(server.url + "/") for c in made["credentials"])
    return made["upload_id"], [urllib.parse.urlsplit(c["url"]).path for c in made["credentials"]]


def end(server, folder, name, upload, tags):
    parts = [{"part_number": i + 1, "etag": t} for i, t in enumerate(tags)]
    return server.call("POST", f"{MPU}/complete/{folder}", {"path": name, "upload_id": upload, "parts": parts})


def test_an_upload_survives_kill_9(tmp_path):
    body = [b"a" * 3000, b"b" * 3000, b"c" * 100]
    with Ours(tmp_path) as s:
        upload, urls = begin(s, "kept", "/data/ann/big.bin", 3)
        first = s.call("PUT", urls[0], raw=body[0])
        assert first.status == 200
        os.killpg(s.process.pid, signal.SIGKILL)
        s.process.wait()
        s.stop()
        s.start()
        tags = [first.headers["ETag"]] + [s.call("PUT", u, raw=b).headers["ETag"] for u, b in zip(urls[1:], body[1:])]
        assert s.call("GET", f"{FILES}/kept/big.bin").status == 404
        assert end(s, "kept", "C:\\home\\big.bin", upload, tags).status == 200
        assert s.call("GET", f"{FILES}/kept/big.bin").body == b"".join(body)
        assert leftovers(s) == []


def test_parts_that_are_wrong(registry):
    upload, urls = begin(registry, "wrong", "x.bin", 3)
    put = lambda url, body, **kw: registry.call("PUT", url, raw=body, **kw)  # noqa: E731
    one = put(urls[0], b"1234").headers["ETag"]
    assert put(urls[1], b"12345").status == 400  # not the size of the first
    assert put(urls[1], iter([b"12", b"34"])).status == 400  # without a length
    two = put(urls[1], b"5678").headers["ETag"]
    assert put(urls[0].replace(upload, "0" * 32), b"1234").status == 404
    for number in ("0", "4", "x", "-1", "99999999999999999999"):
        assert put(urls[0][:-1] + number, b"1234").status == 400
    last = put(urls[2], b"9").headers["ETag"]
    for tags in ([one, two], [one, two, two], [one, two, last, last], ["", "", ""]):
        assert end(registry, "wrong", "x.bin", upload, tags).status == 400
    assert end(registry, "other", "x.bin", upload, [one, two, last]).status == 400
    assert end(registry, "wrong", "x.bin", "0" * 32, [one, two, last]).status == 404
    assert registry.call("POST", f"{MPU}/complete/wrong", {"path": "x.bin", "upload_id": upload}).status == 400
    assert registry.call("POST", f"{MPU}/complete/wrong", {
        "path": "x.bin", "upload_id": upload, "parts": [{"part_number": "one", "etag": 5}]}).status == 400
    assert registry.call("POST", f"{MPU}/abort/wrong", {"path": "x.bin", "upload_id": upload}).json() == {}
    assert put(urls[0], b"1234").status == 404
    for body in ({"path": "x", "num_parts": 0}, {"path": "x", "num_parts": 10001}, {"path": "x"}, {"num_parts": 1},
                 {"path": "..", "num_parts": 1}, {"path": "a/", "num_parts": 1}, {"path": "x", "num_parts": "many"}):
        assert registry.call("POST", f"{MPU}/create/wrong", body).status == 400, body
    for folder in ("%2e%2e", "a/%252e%252e/b", ".sibyl-upload", "%2fetc"):
        assert registry.call("POST", f"{MPU}/create/{folder}", {"path": "x", "num_parts": 1}).status == 400, folder
    assert registry.call("GET", FILES, query={"path": "wrong"}).json() == {}
    assert leftovers(registry) == []


def test_the_place_of_a_file_is_told_as_the_client_named_us(registry):
    assert registry.call("PUT", f"{FILES}/named/a%20b%C3%BC.txt", raw=b"text").status == 200
    where = "/api/2.0/mlflow-artifacts/presigned/named/a%20b%C3%BC.txt"
    plain = registry.call("GET", where).json()
    assert plain == {"url": f"{registry.url}{FILES}/named/a%20b%C3%BC.txt", "headers": {}, "file_size": 4}
    behind = registry.call("GET", where, headers={"X-Forwarded-Proto": "https"}).json()
    assert behind["url"].startswith("https://127.0.0.1")
    assert registry.call("GET", "/api/2.0/mlflow-artifacts/presigned/named/none").status == 404
    assert registry.call("GET", "/api/2.0/mlflow-artifacts/presigned/%2e%2e/x").status == 400


@pytest.fixture(scope="module")
def big(registry):
    body = os.urandom(700_001)
    assert registry.call("PUT", f"{FILES}/ranges/big.bin", raw=body).status == 200
    return body


@pytest.mark.parametrize("spec, begin, size", [
    ("bytes=0-0", 0, 1), ("bytes=0-", 0, 700_001), ("bytes=1-699999", 1, 699_999), ("bytes=300000-300009", 300_000, 10),
    ("bytes=-7", 699_994, 7), ("bytes=700000-9999999", 700_000, 1), ("bytes=-9999999", 0, 700_001)])
def test_ranges(registry, big, spec, begin, size):
    whole = registry.call("GET", f"{FILES}/ranges/big.bin")
    assert (whole.status, whole.body, whole.headers["Accept-Ranges"]) == (200, big, "bytes")
    for headers in ({}, {"If-Range": whole.headers["ETag"]}, {"Accept-Encoding": "gzip"}):
        r = registry.call("GET", f"{FILES}/ranges/big.bin", headers={"Range": spec, **headers})
        assert r.status == 206 and r.body == big[begin:begin + size]
        assert r.headers["Content-Range"] == f"bytes {begin}-{begin + size - 1}/700001"
        assert r.headers["ETag"] == whole.headers["ETag"] and r.headers["Content-Encoding"] is None


def test_conditions(registry, big):
    def get(**headers):
        return registry.call("GET", f"{FILES}/ranges/big.bin", headers={k.replace("_", "-"): v for k, v in headers.items()})

    tag = get().headers["ETag"]
    for value in (tag, f'"x", {tag}', "*", "W/" + tag):
        r = get(If_None_Match=value)
        assert (r.status, r.body, r.headers["ETag"]) == (304, b"", tag)
    assert get(If_None_Match='"x"').status == 200
    assert get(Range="bytes=1-2", If_Range='"x"').status == 200  # another file by now: all of it
    assert get(Range="bytes=700001-").status == 416
    assert get(Range="bytes=700001-").headers["Content-Range"] == "bytes */700001"
    for nonsense in ("bytes=2-1", "bytes=0-1,5-6", "lines=1-2", "bytes=x"):
        assert get(Range=nonsense).status == 200
    head = registry.call("HEAD", f"{FILES}/ranges/big.bin")
    assert (head.status, head.body, head.headers["Content-Length"], head.headers["ETag"]) == (200, b"", "700001", tag)
    assert registry.call("PUT", f"{FILES}/ranges/big.bin", raw=b"other").status == 200
    assert get(Range="bytes=1-2", If_Range=tag).body == b"other"
    assert get(If_None_Match=tag).status == 200
    assert registry.call("PUT", f"{FILES}/ranges/big.bin", raw=big).status == 200


@pytest.fixture
def proxied(registry, tmp_path):
    """nginx in front, with no more than proxy_pass: the port."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    user = "user root root;" if os.geteuid() == 0 else ""  # its workers write below tmp_path
    (tmp_path / "nginx.conf").write_text(f"""
        {user} daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{ }}
        http {{
            access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;
            fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s; client_max_body_size 0;
            server {{ listen 127.0.0.1:{port}; location /ml/ {{ proxy_pass {registry.url}/; }} }}
        }}""")
    process = subprocess.Popen([nginx, "-c", tmp_path / "nginx.conf", "-e", tmp_path / "error.log"])
    try:
        wait_for("nginx", 20, lambda: request(port, "GET", "/ml/health").status == 200)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def test_behind_a_proxy_files_go_whole(registry, proxied, tmp_path):
    info = request(proxied, "GET", "/ml/api/3.0/mlflow/server-info").json()
    assert not info["multipart_uploads_enabled"] and not info["multipart_downloads_enabled"]
    run = run_python(PYTHONS["3.17.2"], ROOT / "tests/clients/parts.py", f"http://127.0.0.1:{proxied}/ml", tmp_path, env=SMALL)
    listed = registry.call("GET", FILES, query={"path": f"0/{run.strip().splitlines()[-1]}/artifacts/deep/er"}).json()
    assert len(listed["files"]) == 3
