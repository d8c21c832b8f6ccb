"""Elasticsearch's protocol on the search port: the official Python clients, the forms that Grafana's data source
sends, the queries of the dashboard that this replaces, and bad input."""
import gzip
import http.client
import json
import os
import pathlib
import socket
import subprocess
import threading
import time
import warnings

import elasticsearch
import pytest

import searched
from searched import call, search
from sibyl import CACHE, request, wait_for

HERE = pathlib.Path(__file__).parent
PYTHON_ES7 = os.environ.get("SIBYL_TEST_PY_ES7", str(CACHE / "es717/bin/python"))


@pytest.fixture(scope="module")
def s():
    one = searched.start()
    try:
        yield one
        assert one.stop() == 0, one.log()[-4000:]
    finally:
        one.close()


@pytest.fixture(scope="module")
def es(s):
    with elasticsearch.Elasticsearch(f"http://127.0.0.1:{s.search}") as client:
        yield client


# ---- clients ----

@pytest.mark.san
def test_client_of_the_8_line(s, es):
    assert elasticsearch.__version__[0] == 8
    assert es.ping() and es.info()["tagline"] == "You Know, for Search"
    n = es.count(index="predictions")["count"]
    assert n == searched.EVENTS + 40
    found = es.search(index="predictions", query={"match": {"status": "OK"}}, size=2, aggs={"by": {"terms": {"field": "user.keyword"}, "aggs": {"d": {"stats": {"field": "duration"}}}}})
    assert found["hits"]["total"]["value"] == searched.EVENTS
    assert {b["key"] for b in found["aggregations"]["by"]["buckets"]} == {"ann", "ben", "Carl Maria"}
    hit = found["hits"]["hits"][0]
    assert es.get(index="predictions", id=hit["_id"])["_source"] == hit["_source"]
    assert es.get_source(index="predictions", id=hit["_id"])["event_id"] == hit["_id"]
    assert es.exists(index="predictions", id=hit["_id"]) and not es.exists(index="predictions", id="none")
    assert es.mget(index="predictions", ids=[hit["_id"]])["docs"][0]["found"]
    assert es.indices.exists(index="predictions") and not es.indices.exists(index="nothing")
    assert es.indices.get(index="pred*")["predictions"]["mappings"]["properties"]["@timestamp"] == {"type": "date"}
    assert es.indices.resolve_index(name="*")["indices"][0]["name"] == "predictions"
    assert es.indices.stats(index="predictions")["_all"]["primaries"]["docs"]["count"] == n
    assert es.field_caps(index="predictions", fields="model*")["fields"]["model.keyword"]["keyword"]["aggregatable"]
    assert es.cat.count(index="predictions", format="json")[0]["count"] == str(n)
    assert es.license.get()["license"]["type"] == "basic"
    assert es.nodes.info()["_nodes"]["total"] == 1
    assert es.indices.refresh(index="predictions")["_shards"]["failed"] == 0
    with pytest.raises(elasticsearch.NotFoundError):
        es.search(index="nothing")
    with pytest.raises(elasticsearch.ApiError, match="journal"):
        es.index(index="predictions", document={"a": 1})
    with pytest.raises(elasticsearch.ApiError, match="journal"):
        es.bulk(operations=[{"index": {"_index": "predictions"}}, {"a": 1}])
    with pytest.raises(elasticsearch.ApiError, match="journal"):
        es.indices.delete(index="predictions")


def test_client_of_the_7_line(s):
    r = subprocess.run([PYTHON_ES7, HERE / "es7_script.py", f"http://127.0.0.1:{s.search}"], capture_output=True, text=True, timeout=60)
    assert r.stdout == "fine\n", r.stderr


@pytest.mark.san
def test_a_point_in_time_pages_through_everything_once(s, es):
    pit = es.open_point_in_time(index="predictions", keep_alive="1m")["id"]
    assert s.post("/models/iris/predict", {f: 1.0 for f in ["sepal_length", "sepal_width", "petal_length", "petal_width"]}).status == 200
    es.indices.refresh(index="predictions")
    seen, after = [], None
    while True:
        page = es.search(pit={"id": pit, "keep_alive": "1m"}, sort=[{"duration": "desc"}], size=700, search_after=after, source=False)["hits"]["hits"]
        if not page:
            break
        seen += [h["_id"] for h in page]
        after = page[-1]["sort"]
    before = es.count(index="predictions")["count"] - 1
    assert len(seen) == len(set(seen)) == before
    assert es.close_point_in_time(id=pit)["num_freed"] == 1
    with pytest.raises(elasticsearch.NotFoundError, match="search_context_missing"):
        es.search(pit={"id": pit})
    with pytest.raises(elasticsearch.NotFoundError):
        es.search(pit={"id": "x" + pit[1:]})


def test_open_points_in_time_are_limited(s, es):
    pits = [es.open_point_in_time(index="predictions", keep_alive="1m")["id"] for _ in range(100)]
    with pytest.raises(elasticsearch.ApiError, match="too many points in time"):
        es.open_point_in_time(index="predictions", keep_alive="1m")
    for pit in pits:
        es.close_point_in_time(id=pit)
    brief = es.open_point_in_time(index="predictions", keep_alive="1ms")["id"]
    wait_for("its end", 5, lambda: request(s.search, "POST", "/_search", {"pit": {"id": brief}}).status == 404)


# ---- the envelope ----

def test_every_answer_names_the_product_and_takes_what_clients_send(s):
    for path, status in [("/", 200), ("/_cluster/health", 200), ("/_cat/indices", 200), ("/predictions/_mapping", 200), ("/predictions/_search?q=status:ok", 200), ("/nothing/_search", 404), ("/predictions/_search?q=a:", 400), ("/predictions?strange=1", 400)]:
        a = request(s.search, "GET", path)
        assert (a.status, a.headers["X-Elastic-Product"]) == (status, "Elasticsearch"), (path, a)
        assert a.headers["Warning"] is None
        head = request(s.search, "HEAD", path)
        assert (head.status, head.body) == (status, b"")
    vnd = "application/vnd.elasticsearch+json; compatible-with={}"
    for version in ["7", "8", "9"]:
        a = request(s.search, "POST", "/predictions/_search", {"size": 0}, headers={"Content-Type": vnd.format(version), "Accept": vnd.format(version)})
        assert a.status == 200 and a.headers["Content-Type"].startswith("application/vnd.elasticsearch+json")
    assert request(s.search, "POST", "/predictions/_search", "a=1", headers={"Content-Type": "text/plain"}).status == 406
    zipped = request(s.search, "POST", "/predictions/_count", gzip.compress(b'{"query":{"match_all":{}}}'), headers={"Content-Encoding": "gzip"})
    assert zipped.status == 200
    assert request(s.search, "GET", "/predictions/_search", {"size": 1}).json()["hits"]["hits"]  # GET with a body
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(call(s, "GET", "/predictions/_search?filter_path=hits.total.value,-took")) == ["hits"]
    assert call(s, "GET", "/predictions/_search?size=1&filter_path=hits.hits._source.mo*,**.relation")["hits"].keys() == {"total", "hits"}
    assert b'\n  "took" : ' in request(s.search, "GET", "/predictions/_search?pretty").body
    table = request(s.search, "GET", "/_cat/indices?v&h=index,docs.count").body.decode().splitlines()
    assert table[0].split() == ["index", "docs.count"] and table[1].split()[0] == "predictions"
    assert call(s, "GET", "/_cat/health?format=json")[0]["status"] == "green"


def test_names_of_indexes_are_expressions(s):
    def names(expression, status=200):
        answer = call(s, "GET", f"/_resolve/index/{expression}", status=status)
        return [i["name"] for i in answer["indices"]] if status == 200 else answer["error"]["type"]
    assert names("predictions") == ["predictions"]
    assert names("_all") == names("*") == ["predictions", "metrics", "audit"]
    assert names("pre*,aud*") == ["predictions", "audit"]
    assert names("*,-met*") == ["predictions", "audit"]
    assert names("nothing*") == []
    assert names("nothing", 404) == "index_not_found_exception"
    assert names("nothing,audit?ignore_unavailable=true") == ["audit"]
    for bad in ["_nothing", "..%2F..%2Fx", "..", "x" * 300]:
        assert request(s.search, "GET", f"/{bad}/_search").status in (400, 404), bad
    both = search(s, {"size": 5, "sort": [{"@timestamp": "desc"}]}, "/predictions,audit/_search")
    stamps = [h["sort"][0] for h in both["hits"]["hits"]]
    assert stamps == sorted(stamps, reverse=True) and both["hits"]["total"]["value"] > searched.EVENTS + 40
    assert "[aggs]" in search(s, {"aggs": {"a": {"avg": {"field": "duration"}}}}, "/predictions,audit/_search", 400)["error"]["reason"]


@pytest.mark.san
def test_the_dashboard_has_the_same_routes(s):
    ours = call(s, "POST", "/api/search/predictions/_count", {"query": {"term": {"status": "ok"}}}, port=s.dashboard)
    assert ours["count"] >= searched.EVENTS
    assert call(s, "GET", "/api/search/", port=s.dashboard)["tagline"] == "You Know, for Search"
    assert request(s.dashboard, "POST", "/api/search/predictions/_search", {}, headers={"Origin": "http://evil.example"}).status == 403


# ---- Grafana's data source ----

def grafana(s, *bodies, index="predictions"):
    lines = [line for b in bodies for line in ({"ignore_unavailable": True, "index": index, "search_type": "query_then_fetch"}, b)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    a = request(s.search, "POST", "/_msearch?max_concurrent_shard_requests=5", text, headers={"Content-Type": "application/x-ndjson"})
    assert a.status == 200, a
    return a.json()["responses"]


def window(query=None, array=True):
    now = int(time.time() * 1000)
    inside = {"range": {"@timestamp": {"format": "epoch_millis", "gte": now - 900000, "lte": now + 1000}}}
    if query is None:
        return {"bool": {"filter": [inside] if array else inside}}
    return {"bool": {"filter": [inside, {"query_string": {"analyze_wildcard": True, "query": query}}]}}


def histogram(min_doc_count=0, **kw):
    now = int(time.time() * 1000)
    return {"date_histogram": {"extended_bounds": {"max": now, "min": now - 900000}, "field": "@timestamp", "fixed_interval": "15000ms", "format": "epoch_millis", "min_doc_count": min_doc_count, **kw}}


def test_metric_queries_of_grafana(s):
    metrics = {"1": {"avg": {"field": "duration"}}, "3": {"percentiles": {"field": "duration", "percents": ["25", "50", "95"]}}, "4": {"extended_stats": {"field": "duration", "sigma": 3}},
               "5": {"cardinality": {"field": "user.keyword"}}, "6": {"top_metrics": {"metrics": [{"field": "duration"}], "size": "1", "sort": [{"@timestamp": "desc"}]}}}
    one, two = grafana(s, {"aggs": {"2": {"aggs": metrics, **histogram()}}, "query": window(array=False), "size": 0},
                       {"aggs": {"2": {"aggs": {"9": {"aggs": {"1": {"max": {"field": "duration"}}}, **histogram(1, time_zone="Europe/Berlin")}}, "terms": {"field": "model.keyword", "min_doc_count": 1, "order": {"_key": "desc"}, "size": 10}}}, "query": window("status.keyword:ok"), "size": 0})
    assert one["status"] == 200 and one["hits"]["hits"] == []
    buckets = one["aggregations"]["2"]["buckets"]
    assert len(buckets) in (60, 61, 62)  # the bounds are filled
    assert all(b["key"] % 15000 == 0 and b["key_as_string"] == str(b["key"]) for b in buckets)
    full = next(b for b in buckets if b["doc_count"])
    assert list(full["3"]["values"]) == ["25.0", "50.0", "95.0"] and full["4"]["std_deviation_bounds"]["upper"] > full["4"]["avg"]
    assert isinstance(full["6"]["top"][0]["metrics"]["duration"], float)
    empty = next(b for b in buckets if not b["doc_count"])
    assert empty["1"]["value"] is None and empty["5"]["value"] == 0 and empty["3"]["values"]["25.0"] is None
    assert [b["key"] for b in two["aggregations"]["2"]["buckets"]] == ["iris"]
    assert sum(b["doc_count"] for b in two["aggregations"]["2"]["buckets"][0]["9"]["buckets"]) >= searched.EVENTS


@pytest.mark.parametrize("order", [{"_key": "asc"}, {"_count": "desc"}, {"1": "desc"}, {"1[95.0]": "desc"}, {"1[std_deviation]": "asc"}])
def test_orders_of_grafana(s, order):
    kind = {"1": {"avg": {"field": "duration"}}, "1[95.0]": {"percentiles": {"field": "duration", "percents": ["95"]}}, "1[std_deviation]": {"extended_stats": {"field": "duration"}}}.get(list(order)[0])
    agg = {"terms": {"field": "user.keyword", "order": order, "size": 10, "missing": "nobody"}, "aggs": {"1": kind} if kind else {}}
    buckets = grafana(s, {"size": 0, "query": window(), "aggs": {"2": agg}})[0]["aggregations"]["2"]["buckets"]
    assert {b["key"] for b in buckets} == {"ann", "ben", "Carl Maria", "nobody"}

    def part(b):
        name = list(order)[0]
        return {"_key": lambda: b["key"], "_count": lambda: b["doc_count"], "1": lambda: b["1"]["value"], "1[95.0]": lambda: b["1"]["values"]["95.0"], "1[std_deviation]": lambda: b["1"]["std_deviation"]}[name]()
    values = [part(b) for b in buckets]
    assert values == sorted(values, reverse=list(order.values())[0] == "desc")


def test_logs_and_raw_data_of_grafana(s):
    body = {"docvalue_fields": [], "fields": [{"field": "@timestamp", "format": "strict_date_optional_time_nanos"}], "query": window("iris AND status:ok"), "script_fields": {}, "size": 500,
            "highlight": {"fields": {"*": {}}, "fragment_size": 2147483647, "post_tags": ["@/HIGHLIGHT@"], "pre_tags": ["@HIGHLIGHT@"]},
            "sort": {"@timestamp": {"order": "desc", "unmapped_type": "boolean"}, "_doc": {"order": "desc"}}}
    hits = grafana(s, body)[0]["hits"]["hits"]
    assert len(hits) == 500
    first = hits[0]
    assert first["fields"]["@timestamp"] == [first["_source"]["@timestamp"]]
    assert first["highlight"]["model"] == ["@HIGHLIGHT@iris@/HIGHLIGHT@"]
    assert len(first["sort"]) == 2
    more = grafana(s, {**body, "search_after": hits[-1]["sort"]})[0]["hits"]["hits"]
    assert len(more) == 500 and not {h["_id"] for h in hits} & {h["_id"] for h in more}
    annotations = {"query": {"bool": {"filter": [{"bool": {"minimum_should_match": 1, "should": [{"range": {"@timestamp": {"format": "epoch_millis", "from": 0, "to": int(time.time() * 1000)}}}]}}, {"query_string": {"query": "http_status:400"}}]}}, "size": 10000}
    assert len(grafana(s, annotations)[0]["hits"]["hits"]) == 20
    variable = {"aggs": {"1": {"terms": {"field": "model.keyword", "order": {"_key": "asc"}, "size": 500}}}, "query": window("*"), "size": 0}
    assert [b["key"] for b in grafana(s, variable)[0]["aggregations"]["1"]["buckets"]] == ["iris"]
    filters = {"2": {"filters": {"filters": {"good": {"query_string": {"analyze_wildcard": True, "query": "status:ok"}}, "rest": {"query_string": {"analyze_wildcard": True, "query": "NOT status:ok"}}}}}}
    counts = grafana(s, {"size": 0, "query": window(), "aggs": filters})[0]["aggregations"]["2"]["buckets"]
    assert counts["good"]["doc_count"] >= searched.EVENTS and counts["rest"]["doc_count"] == 40


def test_what_grafana_may_send_and_is_not_supported_is_named(s):
    for agg, name in [({"moving_fn": {"buckets_path": "1", "window": 5, "script": "x"}}, "moving_fn"), ({"derivative": {"buckets_path": "1"}}, "derivative"), ({"geohash_grid": {"field": "a", "precision": 3}}, "geohash_grid"),
                      ({"nested": {"path": "input"}}, "nested"), ({"avg": {"field": "duration", "script": "_value * 2"}}, "script"), ({"rate": {"unit": "minute"}}, "rate")]:
        answer = grafana(s, {"size": 0, "aggs": {"2": agg}}, {"size": 0})
        assert answer[0]["status"] == 400 and name in answer[0]["error"]["reason"], answer
        assert answer[1]["status"] == 200  # and the others are answered
    assert grafana(s, {"size": 0}, index="nothing")[0]["hits"]["total"]["value"] == 0  # ignore_unavailable


# ---- the dashboard of the replaced stack ----

def test_panels_of_the_replaced_stack(s):
    by = {"terms": {"field": "model_alias.keyword", "min_doc_count": "1", "order": {"_term": "desc"}, "size": "10"}}
    panels = [
        ("", {"2": {**by, "aggs": {"3": {"date_histogram": {"field": "@timestamp", "fixed_interval": "20m", "min_doc_count": 1, "time_zone": "utc", "format": "epoch_millis"}}}}}),
        ("", {"2": {**by, "aggs": {"3": {**histogram(), "aggs": {"1": {"avg": {"field": "duration"}}}}}}}),
        ("model_alias.keyword:production OR model_alias.keyword:shadow", {"2": histogram(1)}),
        ("model_alias.keyword:production", {"2": {"terms": {"field": "prediction.species.keyword", "min_doc_count": "1", "order": {"_term": "desc"}, "size": "10"}}}),
    ]
    answers = grafana(s, *[{"size": 0, "query": window(query or None), "aggs": aggs} for query, aggs in panels])
    assert [a["status"] for a in answers] == [200] * 4
    assert answers[0]["aggregations"]["2"]["buckets"][0]["key"] == "production"
    assert answers[2]["hits"]["total"]["value"] >= searched.EVENTS
    species = answers[3]["aggregations"]["2"]["buckets"]
    assert {b["key"] for b in species} <= {"setosa", "versicolor", "virginica"} and sum(b["doc_count"] for b in species) >= searched.EVENTS


# ---- queries, one by one ----

QUERIES = [
    ("status:ok", "ok"), ("status:OK", "ok"), ("status.keyword:OK", 0), ("NOT status:ok", 40), ("-status:ok", 40), ("!status:ok", 40), ("status:(invalid OR nothing)", "invalid"),
    ("status:inv*", "invalid"), ("status:i?valid", "invalid"), ("status:/inval.*/", "invalid"), ("status.keyword:/inva/", 0), ("_exists_:prediction", "ok"), ("_exists_:nothing", 0), ("prediction:*", "ok"),
    ("http_status:400", 20), ("http_status:>=400", 40), ("http_status:[400 TO 403]", 20), ("http_status:{400 TO *}", 20), ('user:"carl maria"', "carl"), ('user:"maria carl"', 0), ("user:carl", "carl"),
    ("status:invalid AND user:ann", 0), ("+status:ok -user:*", "anonymous"), ("http_status:400^2", 20), ("stat*:invalid", "invalid"), ("status\\:ok", "any"), ("*", "all"), ("*:*", "all"), ("", 0),
    ("status:invalid || status:nothing", "invalid"), ("status:invalid && http_status:400", 20), ("@timestamp:[now-1h TO now]", "all"), ("@timestamp:>now", 0), ("tags.*:t1", "t1"),
]


@pytest.mark.parametrize("text, want", QUERIES)
def test_query_strings(s, text, want):
    counts = {}
    for name, query in [("all", {"match_all": {}}), ("ok", {"term": {"status.keyword": "ok"}}), ("invalid", {"term": {"status.keyword": "invalid"}}), ("carl", {"term": {"user.keyword": "Carl Maria"}}),
                        ("anonymous", {"bool": {"filter": {"term": {"status.keyword": "ok"}}, "must_not": {"exists": {"field": "user"}}}}), ("t1", {"query_string": {"query": "t1"}})]:
        counts[name] = call(s, "POST", "/predictions/_count", {"query": query})["count"]
    got = call(s, "POST", "/predictions/_count", {"query": {"query_string": {"query": text}}})["count"]
    assert want == "any" or got == counts.get(want, want)


@pytest.mark.parametrize("text, why", [("a AND", "end"), ("AND a", "beginning"), ("(a", "not closed"), ('"a', "quote"), ("a:[1 TO", "range"), ("a:", "term"), ("()", "between"), ("a~2", "fuzzy"), ('"a b"~3', "slop"), ("/a", "not closed"), ("a\\", "escapes"),
                                       ("(" * 50000, "nested"), ("*a* " * 5000, "clauses"), ("http_status:abc", None)])
def test_bad_query_strings_say_why(s, text, why):
    if why is None:
        body = {"query": {"query_string": {"query": text, "default_field": "status"}}}
        assert search(s, body, status=400)["error"]["type"] == "number_format_exception"
        search(s, {"query": {"query_string": {"query": text, "lenient": True}}})
        return
    assert why in search(s, {"query": {"query_string": {"query": text}}}, status=400)["error"]["reason"]


@pytest.mark.parametrize("query, want", [
    ({"match": {"user": "maria ann"}}, 2), ({"match": {"user": {"query": "maria carl", "operator": "and"}}}, 1), ({"match": {"user": {"query": "maria ann", "operator": "and"}}}, 0), ({"match_phrase": {"user": "carl maria"}}, 1),
    ({"match_phrase_prefix": {"user": "carl ma"}}, 1), ({"multi_match": {"query": "ann", "fields": ["us*", "status^2"]}}, 1), ({"prefix": {"user": "car"}}, 1), ({"prefix": {"user.keyword": "car"}}, 0),
    ({"wildcard": {"user": {"value": "m?ri*"}}}, 1), ({"regexp": {"user.keyword": "[ab].*n"}}, 2), ({"term": {"user.keyword": {"value": "ANN", "case_insensitive": True}}}, 1), ({"terms": {"user": ["ann", "ben"]}}, 2),
    ({"constant_score": {"filter": {"term": {"user": "ben"}}}}, 1), ({"simple_query_string": {"query": "ann | ben -carl", "fields": ["user"], "default_operator": "and"}}, None), ({"match_none": {}}, 0), ({"exists": {"field": "user"}}, 3),
    ({"bool": {"should": [{"term": {"user": "ann"}}, {"term": {"user": "ben"}}], "minimum_should_match": 2}}, 0), ({"term": {"_index": "predictions"}}, 3),
])
def test_queries_find_their_users(s, query, want):
    found = search(s, {"size": 0, "query": query, "aggs": {"u": {"cardinality": {"field": "user.keyword"}}}})
    assert want is None or found["aggregations"]["u"]["value"] == want


def test_sources_and_fields_are_chosen(s):
    def one(**body):
        return search(s, {"size": 1, "query": {"term": {"status": "ok"}}, **body})["hits"]["hits"][0]
    assert set(one(_source=["model", "input.sepal*"])["_source"]) == {"model", "input"}
    assert set(one(_source={"includes": ["input"], "excludes": ["*.petal_*"]})["_source"]["input"]) == {"sepal_length", "sepal_width"}
    assert "_source" not in one(_source=False) and "_source" not in one(stored_fields="_none_")
    fields = one(_source=False, fields=["model.keyword", "input.*", {"field": "@timestamp", "format": "epoch_millis"}])["fields"]
    assert fields["model.keyword"] == ["iris"] and len(fields) == 6 and fields["@timestamp"][0].isdigit()
    assert one(sort=["_score"])["sort"] == [1.0] and one(sort=[{"nothing": {"order": "asc", "unmapped_type": "long"}}])["sort"] == [None]
    assert search(s, {"size": 0, "track_total_hits": 100})["hits"]["total"] == {"value": 100, "relation": "gte"}
    assert "total" not in search(s, {"size": 0, "track_total_hits": False})["hits"]
    assert isinstance(search(s, {}, "/predictions/_search?rest_total_hits_as_int=true")["hits"]["total"], int)
    top = search(s, {"size": 0, "aggs": {"u": {"terms": {"field": "user.keyword", "size": 1}, "aggs": {"t": {"top_hits": {"size": 2, "_source": ["user"], "sort": [{"@timestamp": "desc"}]}}}, "meta": {"a": 1}}}}, "/predictions/_search?typed_keys=true")
    agg = top["aggregations"]["terms#u"]
    assert agg["meta"] == {"a": 1} and len(agg["buckets"][0]["top_hits#t"]["hits"]["hits"]) == 2


# ---- limits, each at it and one past it ----

def nested(depth):
    query = {"match_all": {}}
    for _ in range(depth - 1):
        query = {"bool": {"must": [query]}}
    return {"query": query}


def nested_aggs(depth):
    agg = {}
    for _ in range(depth):
        agg = {"aggs": {"a": {"terms": {"field": "model.keyword"}, **agg}}}
    return {"size": 0, **agg}


LIMITS = [
    ("depth of a query", nested, 20),
    ("depth of aggregations", nested_aggs, 20),
    ("clauses", lambda n: {"query": {"bool": {"should": [{"term": {"http_status": i}} for i in range(n - 1)]}}}, 1024),
    ("window", lambda n: {"from": 9000, "size": n - 9000, "_source": False}, 10000),
    ("pattern", lambda n: {"query": {"regexp": {"model.keyword": "a" * n}}}, 1000),
    ("pattern of a word", lambda n: {"query": {"wildcard": {"model": "a" * n}}}, 956),
    ("filters' names", lambda n: {"query": {"terms": {"http_status": list(range(n))}}}, 65536),
    ("top_hits", lambda n: {"size": 0, "aggs": {"a": {"top_hits": {"size": n}}}}, 100),
    ("percents", lambda n: {"size": 0, "aggs": {"a": {"percentiles": {"field": "duration", "percents": [50] * n}}}}, 1000),
    ("buckets", lambda n: {"size": 0, "aggs": {"a": {"histogram": {"field": "http_status", "interval": 1, "min_doc_count": 0, "extended_bounds": {"min": 1, "max": n}}}}}, 65536),
    ("sort keys", lambda n: {"sort": [{"duration": "asc"}] * n}, 32),
]


@pytest.mark.san
@pytest.mark.parametrize("name, body, limit", LIMITS, ids=[name for name, _, _ in LIMITS])
def test_limits(s, name, body, limit):
    search(s, body(limit))
    error = search(s, body(limit + 1), status=400)["error"]
    assert error["reason"] and error["type"] != "exception"


HOSTILE = [
    {"query": {"range": {"duration": {"gte": 1e308 * 10}}}}, '{"query":{"range":{"duration":{"gte":1e400}}}}', {"query": {"range": {"@timestamp": {"gte": "+292278995-01-01"}}}}, {"query": {"range": {"@timestamp": {"gte": "now+9999999y"}}}},
    {"query": {"range": {"@timestamp": {"gte": "now/y/"}}}}, {"query": {"range": {"@timestamp": {"gte": "x", "format": "epoch_millis"}}}}, {"query": {"range": {"@timestamp": {"gte": 1, "format": "ww"}}}}, {"query": {"range": {"@timestamp": {"gte": 1, "time_zone": "Mars/Olympus"}}}},
    {"query": {"script": {"script": "1"}}}, {"query": {"script_score": {}}}, {"query": []}, {"query": {}}, {"query": {"term": {}}}, {"query": {"term": {"a": [1]}}}, {"query": {"terms": {"a": 1}}}, {"query": {"bool": {"must": 1}}}, {"query": {"regexp": {"model.keyword": "(((("}}},
    {"from": -1}, {"size": 2**31 - 1}, {"from": 2**63, "size": 1}, {"size": "x"}, {"unknown": 1}, {"sort": [{"model": "asc"}]}, {"sort": [{"nothing": "asc"}]}, {"search_after": [1]}, {"sort": ["duration"], "search_after": [1, 2]}, {"sort": ["duration"], "search_after": ["x"]},
    {"aggs": {"a": {"terms": {"field": "model"}}}}, {"aggs": {"a": {"terms": {"field": "model.keyword", "size": 0}}}}, {"aggs": {"a": {"avg": {"field": "model.keyword"}}}}, {"aggs": {"a": {}}}, {"aggs": {"a": {"avg": {"field": "duration"}, "sum": {"field": "duration"}}}},
    {"aggs": {"a": {"date_histogram": {"field": "@timestamp", "fixed_interval": "0ms"}}}}, {"aggs": {"a": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1M"}}}}, {"aggs": {"a": {"date_histogram": {"field": "@timestamp", "calendar_interval": "2d"}}}},
    {"aggs": {"a": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1ms", "extended_bounds": {"min": 0, "max": 1577836800000}}}}}, {"aggs": {"a": {"histogram": {"field": "duration", "interval": 0}}}}, {"aggs": {"a": {"histogram": {"field": "duration", "interval": 1e-300}}}},
    '{"aggs":{"a":{"histogram":{"field":"duration","interval":NaN}}}}', {"aggs": {"a": {"percentiles": {"field": "duration", "percents": [101]}}}}, {"aggs": {"a": {"percentiles": {"field": "duration", "percents": ["NaN"]}}}}, {"aggs": {"a>b": {"avg": {"field": "duration"}}}},
    {"script_fields": {"a": {"script": "1"}}}, {"runtime_mappings": {"a": {"type": "long"}}}, {"explain": True}, {"highlight": {"fields": 1}}, {"_source": 1.5, "fields": {"a": 1}}, {"pit": {"id": "../../x"}}, {"track_total_hits": "many"}, {"timeout": "soon"}, "[" * 100000, '{"size":1,"size":2}', '{"a":"\\ud800"}', "\ufeff{}", "{} x", "",
]


@pytest.mark.san
def test_bad_input_is_refused_by_name(s):
    for body in HOSTILE:
        a = request(s.search, "POST", "/predictions/_search" if "pit" not in body else "/_search", body)
        if body == "":
            assert a.status == 200
            continue
        assert a.status in (400, 404), (body, a)
        error = a.json()["error"]
        assert error["reason"] and error["type"] not in ("exception", ""), (body, a)
        assert len(a.body) < 4000
    assert request(s.search, "POST", "/predictions/_search", b"x" * (1 << 20) + b"y").status == 413
    assert request(s.search, "POST", "/_msearch", b"{}\n" * 401, headers={"Content-Type": "application/x-ndjson"}).status == 400
    assert request(s.search, "GET", "/predictions/_search?filter_path=" + "**." * 30 + "x").status == 200
    assert request(s.search, "GET", "/predictions/_search?filter_path=" + "**." * 33 + "x").status == 400
    assert request(s.search, "GET", "/predictions/_search?size=1&scroll=1m").status == 400
    for method, path in [("DELETE", "/*"), ("DELETE", "/_all"), ("PUT", "/x"), ("POST", "/_bulk"), ("POST", "/predictions/_delete_by_query"), ("POST", "/predictions/_doc")]:
        assert request(s.search, method, path, {}).status == 405
    assert request(s.search, "GET", "/").status == 200


def test_hostile_regular_expressions_end_in_time(s):
    for pattern in ["(a+)+$", "(.*)*x", "(a|a)*b", ".{1,200}{1,200}", "((a{0,100}){0,100}){0,100}"]:
        begin = time.monotonic()
        a = request(s.search, "POST", "/predictions/_search", {"query": {"regexp": {"event_id.keyword": pattern}}})
        assert a.status in (200, 400) and time.monotonic() - begin < 3, (pattern, a)


def test_who_goes_away_ends_the_search(s):
    """Searches of clients that have gone make way: the server answers others meanwhile, and nothing is left behind."""
    body = json.dumps({"size": 10000, "sort": ["duration"], "highlight": {"fields": {"*": {}}}, "query": {"query_string": {"query": "a* OR b* OR i*"}}}).encode()
    head = f"POST /predictions/_search HTTP/1.1\r\nHost: 127.0.0.1:{s.search}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", s.search)) as c:
            c.sendall(head + body)
    wait_for("room for others", 20, lambda: request(s.search, "GET", "/predictions/_count", timeout=20).status == 200)


def test_many_searches_at_a_time(s):
    failures = []

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", s.search, timeout=30)
        for _ in range(30):
            connection.request("POST", "/predictions/_search", json.dumps({"size": 1, "aggs": {"a": {"terms": {"field": "user.keyword"}}}}), {"Content-Type": "application/json"})
            r = connection.getresponse()
            if json.loads(r.read())["hits"]["total"]["value"] < searched.EVENTS:
                failures.append(r.status)
        connection.close()
    threads = [threading.Thread(target=client) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures
