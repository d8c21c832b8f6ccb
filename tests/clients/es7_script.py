"""The official client of the 7 line: es7_script.py URL. Its own check of the server happens at the first call."""
import sys
import warnings

import elasticsearch

warnings.simplefilter("error")  # the server's warnings become errors
warnings.filterwarnings("ignore", category=DeprecationWarning)
es = elasticsearch.Elasticsearch([sys.argv[1]], http_compress=True)
assert elasticsearch.__version__[0] == 7
assert es.ping()
assert es.info()["version"]["number"].startswith("8.")
assert es.cluster.health(wait_for_status="yellow")["status"] == "green"
assert es.indices.exists(index="predictions") and not es.indices.exists(index="nothing")
n = es.count(index="predictions")["count"]
found = es.search(index="predictions", body={"query": {"term": {"status": "ok"}}, "size": 3, "sort": [{"@timestamp": "desc"}],
                                             "aggs": {"m": {"terms": {"field": "model.keyword"}}}})
assert 0 < found["hits"]["total"]["value"] <= n
assert found["aggregations"]["m"]["buckets"][0]["key"] == "iris"
hit = found["hits"]["hits"][0]
assert es.get(index="predictions", id=hit["_id"])["_source"] == hit["_source"]
assert es.exists(index="predictions", id=hit["_id"])
many = es.msearch(body=[{"index": "predictions"}, {"size": 0}, {"index": "nothing"}, {"size": 0}])["responses"]
assert [r["status"] for r in many] == [200, 404]
assert es.mget(index="predictions", body={"ids": [hit["_id"], "none"]})["docs"][1]["found"] is False
assert "model" in es.indices.get_mapping(index="predictions")["predictions"]["mappings"]["properties"]
assert "model.keyword" in es.field_caps(index="predictions", fields="*")["fields"]
assert es.cat.indices(index="predictions", h="index,docs.count", format="json")[0]["docs.count"] == str(n)
try:
    es.index(index="predictions", body={"a": 1})
    raise SystemExit("a write was taken")
except elasticsearch.TransportError as e:
    assert e.status_code == 405 and "journal" in str(e), e
try:
    es.search(index="predictions", body={"query": {"fuzzy": {"model": "irs"}}})
    raise SystemExit("fuzzy was taken")
except elasticsearch.RequestError as e:
    assert e.status_code == 400 and "fuzzy" in str(e), e
print("fine")
