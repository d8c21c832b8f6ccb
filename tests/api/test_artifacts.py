"""Artifacts through the whole program: parts from many clients at once, ranges, a platform that is killed."""
import concurrent.futures
import os
import signal
import urllib.parse

import pytest

from sibyl import Sibyl, request, wait_for

API = "/api/2.0/mlflow-artifacts/"


def send(s, path, body):
    return request(s.registry, "PUT", path, body, headers={"Content-Type": "application/octet-stream"})


def begin(s, folder, parts):
    made = request(s.registry, "POST", API + "mpu/create/" + folder, {"path": "big.bin", "num_parts": parts}).json()
    return made["upload_id"], [urllib.parse.urlsplit(c["url"]).path for c in made["credentials"]]


def end(s, folder, upload, tags):
    parts = [{"part_number": i + 1, "etag": t} for i, t in enumerate(tags)]
    return request(s.registry, "POST", API + "mpu/complete/" + folder, {"path": "big.bin", "upload_id": upload, "parts": parts})


@pytest.mark.san
def test_many_uploads_in_parts_at_once():
    size, last = 300_000, 1234
    with Sibyl() as s, concurrent.futures.ThreadPoolExecutor(8) as pool:
        bodies = {f"many/{i}": [os.urandom(size) for _ in range(5)] + [os.urandom(last)] for i in range(4)}
        uploads = {f: begin(s, f, 6) for f in bodies}
        sent = {f: [pool.submit(send, s, url, part) for url, part in zip(uploads[f][1], bodies[f])] for f in bodies}
        given_up = begin(s, "many/none", 2)
        pool.submit(send, s, given_up[1][0], bodies["many/0"][0])
        gone = request(s.registry, "POST", API + "mpu/abort/many/none", {"path": "big.bin", "upload_id": given_up[0]})
        assert gone.status == 200
        for f in bodies:
            assert end(s, f, uploads[f][0], [p.result().headers["ETag"] for p in sent[f]]).status == 200
        ranges = [(f, at) for f in bodies for at in range(0, 5 * size + last, 200_001)]

        def read(where):
            f, at = where
            return request(s.registry, "GET", f"{API}artifacts/{f}/big.bin", headers={"Range": f"bytes={at}-{at + 200_000}"})

        for (f, at), r in zip(ranges, pool.map(read, ranges)):
            assert r.status == 206 and r.body == b"".join(bodies[f])[at:at + 200_001]
        wait_for("no leftovers", 10, lambda: not list((s.data / "artifacts/.sibyl-upload").iterdir()))
        assert s.stop() == 0, s.log()[-4000:]


def test_an_upload_goes_on_when_the_platform_was_killed():
    body = [os.urandom(50_000), os.urandom(50_000), b"end"]
    with Sibyl() as s:
        upload, urls = begin(s, "kept", 3)
        tags = [send(s, urls[2], body[2]).headers["ETag"], send(s, urls[0], body[0]).headers["ETag"]]
        before = s.role_pid("platform")
        os.kill(before, signal.SIGKILL)
        wait_for("another platform", 30, lambda: s.role_pid("platform") != before
                 and request(s.registry, "GET", "/health").status == 200)
        middle = send(s, urls[1], body[1]).headers["ETag"]
        assert end(s, "kept", upload, [tags[1], middle, tags[0]]).status == 200
        assert request(s.registry, "GET", API + "artifacts/kept/big.bin").body == b"".join(body)
