"""A platform whose index holds predictions of every kind, for the tests of its Elasticsearch protocol."""
import json
import random

import models
from sibyl import Sibyl, request

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
EVENTS = 3000


def rows(rng, n):
    return [{f: round(rng.uniform(0.1, 8), 2) for f in FEATURES} for _ in range(n)]


def fill(s):
    """EVENTS and some more: good ones by three users, bad ones, ones of a model that is not there."""
    rng = random.Random(5)
    for i in range(EVENTS // 100):
        headers = {"X-User-Id": ["ann", "ben", "Carl Maria"][i % 3], "X-Tag-Team": f"t{i % 7}"} if i % 4 else {}
        a = s.post("/models/iris/predict", rows(rng, 100), headers=headers)
        assert a.status == 200, a
    for i in range(20):
        assert s.post("/models/iris/predict", {"sepal_length": "long"}).status == 400
        assert s.post("/models/absent/predict", {"x": i}).status == 404
    call(s, "POST", "/predictions/_refresh")


def start():
    s = Sibyl()
    try:
        s.register("iris", models.folder() / "forest", alias="production")
        fill(s)
    except BaseException:
        s.close()
        raise
    return s


def documents(s):
    """What the journal holds: not by way of the index."""
    text = s.cli("events", "tail", "--json", "-n", "100000").stdout
    return [json.loads(line) for line in text.splitlines()]


def call(s, method, path, body=None, status=200, port=None, **kw):
    a = request(port or s.search, method, path, body, **kw)
    assert a.status == status, (path, body, a)
    return a.json()


def search(s, body, path="/predictions/_search", status=200):
    return call(s, "POST", path, body, status)
