"""The HTTP server from outside, over raw sockets: framing, limits, time-outs, order, streams.

Drives tests/api/http_echo.c, which this file builds (SIBYL_SANITIZER names another variant,
SIBYL_BUILD_DIR another output folder)."""

import gzip
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
import zlib

import pytest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
VARIANT = os.environ.get("SIBYL_SANITIZER", "release")
OUT = os.environ.get("SIBYL_BUILD_DIR", "build")
SLOW = 1 if VARIANT == "release" else 5
HOST = b"Host: localhost\r\n"
LINE_MAX, HEADERS_MAX, COUNT_MAX, PIPELINE = 8 << 10, 32 << 10, 100, 16

san = pytest.mark.san


@pytest.fixture(scope="session")
def program():
    path = os.path.join(OUT, VARIANT, "tests", "http_echo")
    built = subprocess.run(["make", "V=" + VARIANT, "O=" + OUT, path], cwd=ROOT, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert built.returncode == 0, built.stdout[-3000:]
    return os.path.join(ROOT, path)


class Server:
    def __init__(self, program, **options):
        args = [program] + [f"{k}={v}" for k, v in options.items()]
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.errors = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.errors += line

    def connect(self, timeout=10):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(timeout * SLOW)
        return s

    def stats(self):
        return json.loads(self.ask(b"GET /stats HTTP/1.1\r\n" + HOST + b"\r\n").body)

    def ask(self, raw, count=1, method=None):
        """Sends raw bytes and returns the first reply, or `count` of them as a list."""
        with self.connect() as s:
            s.sendall(raw)
            f = s.makefile("rb")
            replies = [Reply(f, method or raw.split(b" ", 1)[0]) for _ in range(count)]
            return replies[0] if count == 1 else replies

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20 * SLOW)
        self.reader.join(5)
        assert code == 0, self.errors[-4000:]
        assert "ERROR: " not in self.errors and "WARNING: " not in self.errors, self.errors[-4000:]


class Reply:
    """One reply read from a file; body is as sent, without chunk framing."""

    def __init__(self, f, method=b"GET"):
        line = f.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        self.status = int(line.split()[1])
        self.headers = {}
        while (line := f.readline()) != b"\r\n":
            name, value = line.decode("latin-1").rstrip("\r\n").split(": ", 1)
            self.headers[name.lower()] = value
        self.body = b""
        if method == b"HEAD" or self.status in (100, 204, 304):
            return
        if self.headers.get("transfer-encoding") == "chunked":
            while n := int(f.readline(), 16):
                self.body += f.read(n)
                assert f.read(2) == b"\r\n"
            assert f.readline() == b"\r\n"
        elif "content-length" in self.headers:
            self.body = f.read(int(self.headers["content-length"]))
            assert len(self.body) == int(self.headers["content-length"])
        else:
            self.body = f.read()


def closed_by_server(s):
    """Reads to the end; True when the server ended the connection."""
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def request(method=b"GET", target=b"/hello", headers=b"", body=None):
    length = b"" if body is None else b"Content-Length: %d\r\n" % len(body)
    return method + b" " + target + b" HTTP/1.1\r\n" + HOST + headers + length + b"\r\n" + (body or b"")


@pytest.fixture(scope="module")
def server(program):
    s = Server(program)
    yield s
    s.stop()


@pytest.fixture
def impatient(program):
    """Short time-outs."""
    s = Server(program, timeout_ms=300 * SLOW, header_ms=300 * SLOW, idle_ms=600 * SLOW,
               body_grace_ms=300 * SLOW)
    yield s
    s.stop()


# ---- plain requests ----

@san
def test_a_handler_sees_the_request_as_sent(server):
    r = server.ask(request(target=b"/info/a%20b/x/c/d%2Fe?q=1+2&z=%41&&flag", headers=b"X-A:  v \r\n"))
    lines = r.body.decode().split("\n")
    assert r.status == 200 and r.headers["content-type"] == "text/plain"
    for want in ["path /info/a%20b/x/c/d%2Fe", "param a b", "param c/d/e", "arg q=1 2", "arg z=A", "arg flag=",
                 "header X-A: v"]:
        assert want in lines, (want, lines)
    assert re.search(r"^peer 127\.0\.0\.1:\d+$", r.body.decode(), re.M)
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", r.headers["date"])


@san
def test_keep_alive_serves_many_requests_on_one_connection(server):
    with server.connect() as s:
        f = s.makefile("rb")
        for i in range(200):
            body = b"%d" % i * (i % 50)
            s.sendall(request(b"POST", b"/echo", body=body))
            assert Reply(f).body == body


@san
@pytest.mark.parametrize("version,header,closes", [
    (b"1.1", b"", False), (b"1.1", b"Connection: close\r\n", True), (b"1.1", b"Connection: x, CLOSE\r\n", True),
    (b"1.0", b"", True), (b"1.0", b"Connection: keep-alive\r\n", False)])
def test_connection_header(server, version, header, closes):
    with server.connect(timeout=0.5) as s:
        s.sendall(b"GET /hello HTTP/" + version + b"\r\n" + HOST + header + b"\r\n")
        r = Reply(s.makefile("rb"))
        assert r.status == 200
        assert (r.headers.get("connection") == "close") == closes
        assert closed_by_server(s) == closes


@san
def test_HEAD_has_the_headers_of_GET_and_no_body(server):
    get = server.ask(request())
    with server.connect() as s:
        s.sendall(request(b"HEAD") + request())
        f = s.makefile("rb")
        head, after = Reply(f, b"HEAD"), Reply(f)
    assert head.headers["content-length"] == get.headers["content-length"]
    assert after.body == get.body
    assert server.ask(request(b"HEAD", b"/download?bytes=10&chunked=1")).headers["transfer-encoding"] == "chunked"


@san
def test_unknown_paths_and_methods(server):
    assert server.ask(request(target=b"/nope")).status == 404
    r = server.ask(request(b"DELETE"))
    assert r.status == 405 and r.headers["allow"] == "GET, HEAD, POST"
    assert server.ask(request(b"BREW")).status == 501
    assert server.ask(request(target=b"/info/%00/x/y")).status == 400
    assert server.ask(request(target=b"/info/%zz/x/y")).status == 400
    assert server.ask(request(target=b"/info/%c0%ae/x/y")).status == 400  # overlong UTF-8
    assert server.ask(request(target=b"/hello?a=%00")).status == 400
    assert b"param %2e%2e" in server.ask(request(target=b"/info/%252e%252e/x/y")).body  # decoded once


@san
def test_reply_headers_cannot_be_split(server):
    r = server.ask(request(target=b"/empty"))
    assert r.status == 204 and "set-cookie" not in r.headers
    assert r.headers["x-evil"] == "a  Set-Cookie: b"


# ---- malformed and smuggling ----

@san
@pytest.mark.parametrize("raw", [
    b"GET /hello HTTP/1.1\n" + HOST + b"\n",
    b"GET /hello HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
    request(headers=b"X : y\r\n"), request(headers=b"X: a\r\n b\r\n"), request(headers=b"X: \0\r\n"),
    request(headers=b"Content-Length: 5\r\nContent-Length: 5\r\n"),
    request(headers=b"Content-Length: +5\r\n"), request(headers=b"Content-Length: 0x5\r\n"),
    request(headers=b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    request(headers=b"Transfer-Encoding: gzip, chunked\r\n"),
    request(headers=b"Host: localhost\r\n"), b"GET /hello HTTP/1.1\r\n\r\n",
    b"GET http://other/hello HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
])
def test_malformed_requests_get_400_and_the_connection_ends(server, raw):
    with server.connect() as s:
        s.sendall(raw + request(target=b"/info"))  # what follows must not be served
        r = Reply(s.makefile("rb"))
        assert r.status == 400 and r.headers["connection"] == "close"
        assert b"error" in r.body
        rest = b""
        while d := s.recv(65536):
            rest += d
        assert rest == b""


@san
@pytest.mark.parametrize("body", [
    b"+3\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b"3\nabc\r\n0\r\n\r\n",
    b"11111111111111111111\r\nabc", b"3\r\nabcd\r\n0\r\n\r\n", b"3;" + b"e" * (1 << 20) + b"\r\nabc\r\n0\r\n\r\n"])
@pytest.mark.parametrize("target", [b"/echo", b"/upload"])
def test_malformed_chunks_get_400_and_the_connection_ends(server, body, target):
    with server.connect() as s:
        try:
            s.sendall(request(b"PUT", target, b"Transfer-Encoding: chunked\r\n") + body)
        except (ConnectionResetError, BrokenPipeError):
            pass
        r = Reply(s.makefile("rb"))
        assert r.status == 400 and r.headers["connection"] == "close"
        assert closed_by_server(s)


@san
@pytest.mark.parametrize("length,status", [(LINE_MAX - 1, 404), (LINE_MAX, 404), (LINE_MAX + 1, 414)])
def test_request_line_limit(server, length, status):
    target = b"/" + b"x" * (length - len(b"GET / HTTP/1.1"))
    assert server.ask(request(target=target)).status == status


@san
@pytest.mark.parametrize("size,status", [(HEADERS_MAX - 1, 200), (HEADERS_MAX, 200), (HEADERS_MAX + 1, 431),
                                         (64 << 10, 431)])
def test_header_size_limit(server, size, status):
    filler = b"X: " + b"y" * (size - len(HOST) - len(b"X: \r\n")) + b"\r\n"
    assert server.ask(request(headers=filler)).status == status


@san
@pytest.mark.parametrize("count,status", [(COUNT_MAX - 1, 200), (COUNT_MAX, 200), (COUNT_MAX + 1, 431), (10000, 431)])
def test_header_count_limit(server, count, status):
    assert server.ask(request(headers=b"X: y\r\n" * (count - 1))).status == status


@san
def test_body_size_limit(program):
    s = Server(program, body_max=100000)
    try:
        for n, status in [(99999, 200), (100000, 200), (100001, 413)]:
            assert s.ask(request(b"POST", b"/echo", body=b"x" * n)).status == status
            chunked = request(b"POST", b"/echo", b"Transfer-Encoding: chunked\r\n")
            chunked += b"%x\r\n" % n + b"x" * n + b"\r\n0\r\n\r\n"
            r = s.ask(chunked)
            assert r.status == status
            assert status != 413 or r.headers["connection"] == "close"
    finally:
        s.stop()


# ---- who asks ----

@san
@pytest.mark.parametrize("host,status", [
    (b"localhost", 200), (b"LOCALHOST:8000", 200), (b"127.0.0.1", 200), (b"127.1.2.3:5", 200), (b"[::1]:80", 200),
    (b"sibyl.example", 200), (b"evil.example", 403), (b"10.0.0.1", 403), (b"localhost.evil.example", 403),
    (b"127.0.0.1.evil.example", 403), (b"[::2]", 403)])
def test_host_must_be_ours(server, host, status):
    assert server.ask(b"GET /hello HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").status == status


@san
@pytest.mark.parametrize("headers,status", [
    (b"Origin: http://localhost:3000\r\n", 200), (b"Origin: https://sibyl.example\r\n", 200),
    (b"Origin: http://127.0.0.1\r\n", 200), (b"Origin: null\r\n", 403), (b"Origin: http://evil.example\r\n", 403),
    (b"Origin: http://localhost.evil.example\r\n", 403), (b"Origin: file://localhost\r\n", 403),
    (b"Sec-Fetch-Site: same-origin\r\n", 200), (b"Sec-Fetch-Site: none\r\n", 200),
    (b"Sec-Fetch-Site: cross-site\r\n", 403)])
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_pages_of_other_sites_are_refused(server, method, headers, status):
    raw = request(method, headers=headers + b"Content-Type: text/plain\r\n", body=b"{}")
    assert server.ask(raw).status == status


# ---- pipelining ----

@san
def test_a_thousand_pipelined_requests_are_answered_in_order(server):
    raw = b"".join(request(b"POST", b"/later?ms=%d" % (i * 7 % 5) if i % 3 else b"/echo", body=b"n%d" % i)
                   for i in range(1000))
    replies = {}

    def read(s):
        f = s.makefile("rb")
        replies["bodies"] = [Reply(f).body for _ in range(1000)]
    with server.connect(30) as s:
        t = threading.Thread(target=read, args=(s,))
        t.start()
        s.sendall(raw)
        t.join(60)
    assert replies["bodies"] == [b"n%d" % i for i in range(1000)]


@san
def test_no_more_than_sixteen_are_taken_at_once(server):
    with server.connect() as s:
        s.sendall(request(b"POST", b"/later?ms=%d" % (400 * SLOW), body=b"x") * 40)
        time.sleep(0.2 * SLOW)
        assert server.stats()["in_flight"] <= PIPELINE + 1
        f = s.makefile("rb")
        assert [Reply(f).status for _ in range(40)] == [200] * 40


@san
def test_requests_split_at_every_byte(server):
    raw = request(b"POST", b"/echo", b"Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\n"
    raw += request(b"POST", b"/echo", body=b"second")
    with server.connect() as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        f = s.makefile("rb")
        for i in range(len(raw)):
            s.sendall(raw[i:i + 1])
            time.sleep(0.0005)
        assert [Reply(f).body for _ in range(2)] == [b"abcde", b"second"]


@san
def test_half_closed_clients_get_their_answers(server):
    with server.connect() as s:
        s.sendall(request(b"POST", b"/later?ms=100", body=b"late") + request())
        s.shutdown(socket.SHUT_WR)
        f = s.makefile("rb")
        assert Reply(f).body == b"late"
        assert Reply(f).status == 200
        assert closed_by_server(s)


@san
def test_gone_clients_leave_nothing_behind(server):
    for raw in [request(b"POST", b"/later?ms=200", body=b"x") * 3, request(b"PUT", b"/upload", b"Content-Length: 100\r\n"),
                request(target=b"/download?bytes=100000000"), request()[:20], request(b"POST", b"/echo", b"Content-Length: 9\r\n")]:
        s = server.connect()
        s.sendall(raw)
        time.sleep(0.05)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()  # reset
    deadline = time.time() + 5 * SLOW
    while (now := server.stats()) and (now["in_flight"], now["open"]) != (1, 1):
        assert time.time() < deadline, now
        time.sleep(0.05)


# ---- expectations and encodings ----

@san
def test_expect_100_continue(server):
    with server.connect() as s:
        s.sendall(request(b"POST", b"/echo", b"Expect: 100-continue\r\nContent-Length: 3\r\n"))
        f = s.makefile("rb")
        assert Reply(f).status == 100
        s.sendall(b"abc")
        assert Reply(f).body == b"abc"
        s.sendall(request(b"POST", b"/echo", b"Expect: 100-continue\r\n", body=b"at once"))
        assert Reply(f).body == b"at once"  # no 100 for who did not wait
    assert server.ask(request(b"POST", b"/echo", b"Expect: tea\r\n", body=b"x")).status == 417
    r = server.ask(request(b"POST", b"/nope", b"Expect: 100-continue\r\nContent-Length: 3\r\n"))
    assert r.status == 404 and r.headers["connection"] == "close"


@san
def test_expect_behind_a_pipelined_request_keeps_the_order(server):
    with server.connect() as s:
        s.sendall(request(b"POST", b"/later?ms=100", body=b"first")
                  + request(b"POST", b"/echo", b"Expect: 100-continue\r\nContent-Length: 3\r\n"))
        f = s.makefile("rb")
        assert Reply(f).body == b"first"
        assert Reply(f).status == 100
        s.sendall(b"abc")
        assert Reply(f).body == b"abc"


@san
def test_gzip_request_bodies(server):
    text = b'{"a": 1}' * 1000
    def send(body, encoding=b"gzip", target=b"/echo"):
        return server.ask(request(b"PUT", target, b"Content-Encoding: " + encoding + b"\r\n", body=body))
    packed = gzip.compress(text)
    assert send(packed).body == text
    assert send(text, b"identity").body == text
    assert send(packed[:-9]).status == 400
    assert send(b"not gzip").status == 400
    assert send(packed + b"x").status == 400
    assert send(zlib.compress(text), b"deflate").body == text
    assert send(packed, b"br").status == 415
    assert send(packed, b"gzip, gzip").status == 415
    assert send(packed, b"gzip", b"/upload").status == 415


@san
def test_gzip_bombs_are_refused(server):
    by_ratio = gzip.compress(bytes(10 << 20))
    assert len(by_ratio) < 20000
    nested = gzip.compress(gzip.compress(bytes(64 << 20)))
    by_size = zlib.compressobj(1, zlib.DEFLATED, 31)
    noise = os.urandom(256 << 10)
    big = b"".join(by_size.compress(noise) for _ in range(70)) + by_size.flush()
    for bomb in (by_ratio, big):
        r = server.ask(request(b"POST", b"/echo", b"Content-Encoding: gzip\r\n", body=bomb))
        assert r.status == 413
    r = server.ask(request(b"POST", b"/echo", b"Content-Encoding: gzip\r\n", body=nested))
    assert r.status in (200, 413) and len(r.body) < 1 << 20  # only the outer layer is ever opened


@san
def test_gzip_answers(server):
    def get(n, accept):
        return server.ask(request(target=b"/big?bytes=%d" % n, headers=b"Accept-Encoding: " + accept + b"\r\n"))
    r = get(5000, b"deflate, gzip;q=0.5")
    assert r.headers["content-encoding"] == "gzip" and gzip.decompress(r.body) == b"x" * 5000
    assert len(r.body) < 200 and r.headers["vary"] == "Accept-Encoding"
    for n, accept in [(1023, b"gzip"), (5000, b"identity"), (5000, b"gzip;q=0"), (5000, b"gzip; q=0.0"), (5000, b"br")]:
        r = get(n, accept)
        assert "content-encoding" not in r.headers and r.body == b"x" * n
    assert get(1024, b"*").headers["content-encoding"] == "gzip"


# ---- streams ----

@san
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_streamed_upload_counts_every_byte(server, framing):
    n = 3 << 20
    with server.connect() as s:
        if framing == "length":
            s.sendall(request(b"PUT", b"/upload?pause=200000", b"Content-Length: %d\r\n" % n))
            s.sendall(b"u" * n)
        else:
            s.sendall(request(b"PUT", b"/upload?pause=200000", b"Transfer-Encoding: chunked\r\n"))
            for _ in range(n // 65536):
                s.sendall(b"10000\r\n" + b"u" * 65536 + b"\r\n")
            s.sendall(b"0\r\n\r\n")
        s.sendall(request())
        f = s.makefile("rb")
        assert json.loads(Reply(f).body) == {"bytes": n, "err": "OK"}
        assert Reply(f).status == 200


@san
def test_an_empty_upload_ends_at_once(server):
    assert json.loads(server.ask(request(b"PUT", b"/upload", body=b"")).body) == {"bytes": 0, "err": "OK"}


def test_an_upload_of_200_MB_keeps_memory_flat(server):
    before = server.stats()["rss"]
    piece = b"u" * (1 << 20)
    with server.connect() as s:
        s.sendall(request(b"PUT", b"/upload", b"Content-Length: %d\r\n" % (200 << 20)))
        for i in range(200):
            s.sendall(piece)
            if i == 150:
                assert server.stats()["rss"] - before < 4 << 20
        assert json.loads(Reply(s.makefile("rb")).body)["bytes"] == 200 << 20


@san
def test_a_paused_handler_holds_the_client_back(server):
    with server.connect(timeout=0.3) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        s.sendall(request(b"PUT", b"/upload?pause=1", b"Content-Length: %d\r\n" % (64 << 20)))
        sent, begin = 0, time.time()
        while time.time() - begin < 0.5:
            try:
                sent += s.send(b"u" * 65536)
            except TimeoutError:
                break
        assert sent < 64 << 20


@san
def test_a_pause_on_the_last_piece_delays_the_end_and_no_more(server):
    r = server.ask(request(b"PUT", b"/upload?pause=1", body=b"abc") * 3 + request(), count=4)
    assert [json.loads(x.body).get("bytes") for x in r] == [3, 3, 3, None]
    raw = request(b"PUT", b"/upload?pause=1", b"Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n0\r\n\r\n"
    assert [x.status for x in server.ask(raw + request(), count=2)] == [200, 200]


@san
def test_an_early_answer_to_who_waits_for_100_ends_the_connection(server):
    with server.connect() as s:
        s.sendall(request(b"POST", b"/later?ms=100", body=b"x")
                  + request(b"PUT", b"/refused", b"Expect: 100-continue\r\nContent-Length: 3\r\n"))
        f = s.makefile("rb")
        assert Reply(f).status == 200
        r = Reply(f)
        assert r.status == 409 and r.headers["connection"] == "close"
        assert closed_by_server(s)


@san
def test_an_upload_cut_short_is_told_to_the_handler(server):
    with server.connect() as s:
        s.sendall(request(b"PUT", b"/upload", b"Content-Length: 10\r\n") + b"abc")
        s.shutdown(socket.SHUT_WR)
        r = Reply(s.makefile("rb"))
        assert r.status == 400 and json.loads(r.body) == {"bytes": 3, "err": "CLOSED"}


@san
def test_an_early_answer_to_an_upload(server):
    r = server.ask(request(b"PUT", b"/refused", body=b"small") + request(), count=2)
    assert [x.status for x in r] == [409, 200]  # little is left: the connection goes on
    with server.connect() as s:
        s.sendall(request(b"PUT", b"/refused", b"Content-Length: %d\r\n" % (10 << 20)))
        try:
            s.sendall(b"x" * (10 << 20))
        except (ConnectionResetError, BrokenPipeError):
            pass
        r = Reply(s.makefile("rb"))
        assert r.status == 409 and r.headers["connection"] == "close"


@san
@pytest.mark.parametrize("chunked", [0, 1])
@pytest.mark.parametrize("size", [0, 1, 65536, 5000001])
def test_streamed_download(server, chunked, size):
    r = server.ask(request(target=b"/download?bytes=%d&chunked=%d" % (size, chunked)) + request(), count=2)
    assert r[0].body == b"d" * size
    assert r[1].status == 200


def test_a_slow_reader_holds_the_download_back(server):
    before = server.stats()["rss"]
    with server.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        s.sendall(request(target=b"/download?bytes=%d" % (100 << 20)))
        time.sleep(0.3)
        assert server.stats()["rss"] - before < 8 << 20
        f = s.makefile("rb", buffering=1 << 20)
        r = Reply(f)
        assert len(r.body) == 100 << 20


@san
def test_an_aborted_download_is_seen_as_broken(server):
    with server.connect() as s:
        s.sendall(request(target=b"/download?bytes=1000&chunked=1&abort=1"))
        raw = b""
        try:
            while d := s.recv(65536):
                raw += d
        except ConnectionResetError:
            pass
    assert not raw.endswith(b"0\r\n\r\n")


@san
def test_a_streamed_answer_to_HTTP_1_0_ends_with_the_connection(server):
    r = server.ask(b"GET /download?bytes=70000&chunked=1 HTTP/1.0\r\n" + HOST + b"\r\n")
    assert r.headers["connection"] == "close" and r.body == b"d" * 70000


@san
def test_pipelined_streams_keep_their_order(server):
    raw = request(b"POST", b"/later?ms=100", body=b"first") + request(target=b"/download?bytes=3000000") + request()
    r = server.ask(raw, count=3)
    assert [len(x.body) for x in r] == [5, 3000000, 17]


# ---- time ----

@san
def test_slow_headers_are_cut_off(impatient):
    with impatient.connect() as s:
        s.sendall(b"GET /hello HT")
        begin = time.time()
        assert Reply(s.makefile("rb")).status == 408
        assert closed_by_server(s)
        assert 0.25 * SLOW < time.time() - begin < 3 * SLOW


@san
def test_dripping_headers_do_not_move_the_limit(impatient):
    with impatient.connect() as s:
        begin = time.time()
        s.sendall(b"GET /hello HTTP/1.1\r\n")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while time.time() - begin < 20 * SLOW:
                s.sendall(b"X")
                time.sleep(0.02)
        assert time.time() - begin < 6 * SLOW


@san
@pytest.mark.parametrize("target", [b"/echo", b"/upload"])
def test_slow_bodies_are_cut_off(impatient, target):
    with impatient.connect() as s:
        s.sendall(request(b"PUT", target, b"Content-Length: 100000\r\n") + b"x")
        r = Reply(s.makefile("rb"))
        assert r.status == (408 if target == b"/echo" else 400)
        if target == b"/upload":
            assert json.loads(r.body)["err"] == "TIMEOUT"
        assert closed_by_server(s)


@san
def test_idle_connections_are_closed(impatient):
    with impatient.connect() as fresh, impatient.connect() as used:
        used.sendall(request())
        assert Reply(used.makefile("rb")).status == 200
        begin = time.time()
        assert closed_by_server(fresh) and closed_by_server(used)
        assert time.time() - begin < 5 * SLOW


@san
def test_a_reader_that_takes_nothing_is_closed(impatient):
    with impatient.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(request(target=b"/download?bytes=%d" % (100 << 20)))
        deadline = time.time() + 10 * SLOW
        while "download_closed" not in impatient.errors:
            assert time.time() < deadline
            time.sleep(0.05)


@san
def test_past_the_deadline_the_server_answers_and_the_late_answer_is_dropped(impatient):
    with impatient.connect() as s:
        s.sendall(request(b"POST", b"/later?ms=%d" % (550 * SLOW), body=b"late") + request())
        f = s.makefile("rb")
        assert [Reply(f).status for _ in range(2)] == [504, 200]
        assert impatient.stats()["in_flight"] == 2  # the handler still owes its answer
        time.sleep(0.35 * SLOW)
        assert impatient.stats()["in_flight"] == 1
    assert impatient.stats()["timeouts"] == 1


@san
def test_deadlines_in_a_pipeline_keep_the_order(impatient):
    raw = b"".join(request(b"POST", b"/later?ms=%d" % (ms * SLOW), body=b"%d" % ms) for ms in (200, 900, 10, 950, 20))
    r = impatient.ask(raw, count=5)
    assert [x.status for x in r] == [200, 504, 200, 504, 200]
    time.sleep(SLOW)
    assert impatient.stats()["in_flight"] == 1


# ---- load ----

def test_overload_is_refused_before_the_body_and_the_connection_goes_on(program):
    s = Server(program, queue_us=2000)
    answers, stop = [], time.time() + 1.5

    def load():
        with s.connect() as c:
            f = c.makefile("rb")
            while time.time() < stop:
                c.sendall(request(b"POST", b"/admitted?ms=4", body=b"x" * 100))
                r = Reply(f)
                answers.append((r.status, r.headers.get("retry-after"), r.headers.get("connection")))
    try:
        threads = [threading.Thread(target=load) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        refused = [a for a in answers if a[0] == 503]
        assert refused and all(a[1] == "1" and a[2] is None for a in refused)
        assert sum(a[0] == 200 for a in answers) > 50
        assert s.stats()["refused_busy"] == len(refused)
        time.sleep(0.1)
        assert s.ask(request(b"POST", b"/admitted?ms=1", body=b"x")).status == 200  # it recovers
    finally:
        s.stop()


@san
def test_clients_that_leave_while_they_wait_for_their_turn_cost_nothing(program):
    s = Server(program, queue_us=50000 * SLOW)
    try:
        socks = [s.connect() for _ in range(60)]
        for c in socks:
            c.sendall(request(b"POST", b"/admitted?ms=2", body=b"x" * 100))
        for c in socks[1::2]:
            c.close()
        for c in socks[::2]:
            assert Reply(c.makefile("rb")).status in (200, 503)
            c.close()
        until = time.time() + 5 * SLOW
        while s.stats()["in_flight"] > 1:  # the one that asks
            assert time.time() < until
            time.sleep(0.01)
    finally:
        s.stop()


def test_ten_thousand_idle_connections_are_cheap(program):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    want = 10000
    if hard < want + 200:
        want = hard - 200
    limit = (min(hard, 2 * want + 500), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    s = Server(program)
    try:
        before = s.stats()["rss"]
        idle = []
        for i in range(want):
            c = socket.socket()
            c.bind(("127.0.0.%d" % (2 + i // 5000), 0))
            c.connect(("127.0.0.1", s.port))
            idle.append(c)
        for c in idle[::100]:
            c.sendall(request())
            assert c.recv(4096).startswith(b"HTTP/1.1 200")
        now = s.stats()
        assert now["open"] == want + 1
        assert (now["rss"] - before) / want < 2048
        for c in idle:
            c.close()
    finally:
        s.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@san
def test_draining_finishes_what_runs_and_closes_connections(program):
    s = Server(program, loops=2)
    with s.connect() as c:
        f = c.makefile("rb")
        c.sendall(request())
        assert "connection" not in Reply(f).headers
        c.sendall(request(b"POST", b"/later?ms=400", body=b"x"))
        time.sleep(0.1)
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            s.connect()
        r = Reply(f)
        assert r.status == 200 and r.headers["connection"] == "close"
        assert closed_by_server(c)
    s.stop()


@san
def test_a_port_in_use_names_its_holder(program):
    s = Server(program, loops=2)
    try:
        second = subprocess.run([program, f"port={s.port}"], capture_output=True, text=True, timeout=20)
        assert second.returncode == 1
        assert f"port {s.port} " in second.stderr and f"(pid {s.process.pid})" in second.stderr
        assert "--port-offset" in second.stderr
    finally:
        s.stop()
    again = Server(program, port=s.port)  # connections in TIME_WAIT are no hindrance
    again.stop()


@san
def test_several_loops_share_the_load(program):
    s = Server(program, loops=3)
    try:
        for _ in range(60):
            assert s.ask(request()).status == 200
        assert s.stats()["requests"] == 61
    finally:
        s.stop()
