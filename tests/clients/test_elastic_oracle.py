"""Generated queries and aggregations: the same answers as DuckDB's over the documents in the journal."""
import math
import random
from datetime import datetime, timezone

import duckdb
import pandas as pd
import pytest

import searched

QUERIES = 520
QUANTILE_ERROR = 0.005  # docs/SEARCH.md

KEYWORDS = {"status": "status", "model.keyword": "model", "user.keyword": "user_id", "tags.Team.keyword": "team", "prediction.species.keyword": "species"}
LONGS = {"row": "row_nr", "http_status": "http_status"}
DOUBLES = {"input.sepal_length": "sepal_length", "input.petal_width": "petal_width", "duration": "duration", "latency.total_us": "total_us"}
NUMBERS = LONGS | DOUBLES


def millis(text):
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def flat(d):
    given, tags = d.get("input", {}), {k.lower(): v for k, v in d.get("tags", {}).items()}
    number = {k: v if isinstance(v, (int, float)) else None for k, v in given.items()}
    return {"ts": millis(d["@timestamp"]), "status": d["status"], "model": d.get("model"), "user_id": d.get("user"), "team": tags.get("team"),
            "species": (d.get("prediction") or {}).get("species"), "row_nr": d["row"], "http_status": d.get("http_status"),
            "sepal_length": number.get("sepal_length"), "petal_width": number.get("petal_width"),
            "duration": d["duration"], "total_us": d["latency"]["total_us"]}


@pytest.fixture(scope="module")
def world():
    s = searched.start()
    try:
        docs = searched.documents(s)
        table = pd.DataFrame([flat(d) for d in docs])
        for name in ["row_nr", "http_status"]:
            table[name] = table[name].astype("Int64")
        for name in ["sepal_length", "petal_width", "duration", "total_us"]:
            table[name] = table[name].astype("Float64")
        for name in ["status", "model", "user_id", "team", "species"]:
            table[name] = table[name].astype(object)
        db = duckdb.connect()
        db.register("events", table)
        db.execute("create table e as select * from events")
        team = next(k for d in docs for k in d.get("tags", {}))
        yield s, db, table, team
    finally:
        s.close()


class Generator:
    """Pairs of an Elasticsearch query and an SQL condition that mean the same."""

    def __init__(self, rng, table, team):
        self.rng, self.table, self.team = rng, table, team
        self.keywords = {k.replace("Team", team) if k.startswith("tags") else k if k.endswith(".keyword") else k + ".keyword": v for k, v in KEYWORDS.items()}

    def values(self, column):
        return self.table[column].dropna().unique().tolist()

    def quoted(self, v):
        return "'" + str(v).replace("'", "''") + "'"

    def leaf(self):
        r = self.rng
        kind = r.choice(["term", "terms", "number", "number", "date", "exists", "prefix", "wildcard", "string", "all"])
        field, column = r.choice(list(self.keywords.items()))
        value = r.choice(self.values(column) + ["nobody"])
        if kind == "term":
            return {"term": {field: r.choice([value, {"value": value}])}}, f"{column} = {self.quoted(value)}"
        if kind == "terms":
            some = [value, r.choice(self.values(column))]
            return {"terms": {field: some}}, f"{column} in ({','.join(map(self.quoted, some))})"
        if kind == "exists":
            return {"exists": {"field": field}}, f"{column} is not null"
        if kind == "prefix":
            return {"prefix": {field: value[:2]}}, f"starts_with({column}, {self.quoted(value[:2])})"
        if kind == "wildcard":
            pattern = value[:1] + "*" + value[-1:]
            return {"wildcard": {field: {"value": pattern}}}, f"{column} like {self.quoted(value[:1] + '%' + value[-1:])}"
        if kind == "number":
            field, column = r.choice(list(NUMBERS.items()))
            low, high = sorted(r.choices(self.values(column), k=2))
            a, b = r.choice([("gte", ">="), ("gt", ">")]), r.choice([("lte", "<="), ("lt", "<")])
            return {"range": {field: {a[0]: low, b[0]: high}}}, f"({column} {a[1]} {low} and {column} {b[1]} {high})"
        if kind == "date":
            low, high = sorted(r.choices(self.values("ts"), k=2))
            iso = datetime.fromtimestamp(high / 1000, timezone.utc).isoformat(timespec="milliseconds")
            return {"range": {"@timestamp": {"gte": low, "lte": iso}}}, f"(ts >= {low} and ts <= {high})"
        if kind == "string":
            low, high = sorted(r.choices(self.values("sepal_length"), k=2))
            return ({"query_string": {"query": f'input.sepal_length:[{low} TO {high}}} AND NOT status.keyword:"{value}"'}},
                    f"(sepal_length >= {low} and sepal_length < {high} and coalesce(status <> {self.quoted(value)}, true))")
        return {"match_all": {}}, "true"

    def query(self, depth=0):
        if depth > 1 or self.rng.random() < 0.5:
            return self.leaf()
        parts = {name: [self.query(depth + 1) for _ in range(self.rng.randint(0, 2))] for name in ["must", "filter", "must_not", "should"]}
        sql = [f"coalesce({c}, false)" for name in ["must", "filter"] for _, c in parts[name]]
        sql += [f"not coalesce({c}, false)" for _, c in parts["must_not"]]
        should = [f"coalesce({c}, false)" for _, c in parts["should"]]
        if should and not parts["must"] and not parts["filter"]:
            sql.append("(" + " or ".join(should) + ")")
        body = {name: [q for q, _ in list_] for name, list_ in parts.items() if list_}
        return {"bool": body}, "(" + " and ".join(sql or ["true"]) + ")"


def same(a, b):
    if a is None or b is None:
        return a is None and b is None
    return math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-12)


class Oracle:
    def __init__(self, s, db, table, g):
        self.s, self.db, self.table, self.g, self.rng = s, db, table, g, g.rng

    def ask(self, query, agg):
        return searched.search(self.s, {"size": 0, "track_total_hits": True, "query": query, "aggs": {"a": agg}})["aggregations"]["a"]

    def sql(self, select, where, rest=""):
        return self.db.execute(f"select {select} from e where coalesce({where}, false) {rest}").fetchall()

    def count(self, query, where):
        got = searched.call(self.s, "POST", "/predictions/_count", {"query": query})["count"]
        assert got == self.sql("count(*)", where)[0][0]
        hits = searched.search(self.s, {"query": query, "size": 3, "track_total_hits": True, "sort": [{"duration": "asc"}]})["hits"]
        assert hits["total"]["value"] == got
        expected = self.sql("duration", where, "order by duration limit 3")
        assert [h["sort"][0] for h in hits["hits"]] == [d for d, in expected]

    def terms(self, query, where):
        field, column = self.rng.choice(list(self.g.keywords.items()) + list(LONGS.items()))
        metric, number = self.rng.choice(list(DOUBLES.items()))
        by = self.rng.choice([{"_count": "desc"}, {"_key": "asc"}, {"_key": "desc"}, {"m": "desc"}])
        size = self.rng.choice([2, 5, 200])
        got = self.ask(query, {"terms": {"field": field, "size": size, "order": by}, "aggs": {"m": {"avg": {"field": metric}}}})
        order = {"_count": "n", "_key": "k", "m": "m"}[list(by)[0]] + " " + list(by.values())[0] + " nulls last, k"
        all_ = self.sql(f"{column} k, count(*) n, avg({number}) m", where, f"and {column} is not null group by 1 order by {order}")
        expected = all_[:size]
        assert [(b["key"], b["doc_count"]) for b in got["buckets"]] == [(k, n) for k, n, _ in expected]
        assert all(same(b["m"]["value"], m) for b, (_, _, m) in zip(got["buckets"], expected))
        assert got["sum_other_doc_count"] == sum(n for _, n, _ in all_[size:])

    def date_histogram(self, query, where):
        step = self.rng.choice([1, 7, 50, 1000, 60000])
        got = self.ask(query, {"date_histogram": {"field": "@timestamp", "fixed_interval": f"{step}ms", "min_doc_count": 1, "format": "epoch_millis"}, "aggs": {"s": {"sum": {"field": "duration"}}}})
        expected = self.sql(f"ts // {step} * {step} k, count(*), sum(duration)", where, "group by 1 order by 1")
        assert [(b["key"], b["doc_count"]) for b in got["buckets"]] == [(k, n) for k, n, _ in expected]
        assert all(same(b["s"]["value"], v) and b["key_as_string"] == str(b["key"]) for b, (_, _, v) in zip(got["buckets"], expected))

    def histogram(self, query, where):
        step = self.rng.choice([0.5, 1, 2.5])
        got = self.ask(query, {"histogram": {"field": "input.sepal_length", "interval": step, "min_doc_count": 1}})
        expected = self.sql(f"floor(sepal_length / {step}) * {step} k, count(*)", where, "and sepal_length is not null group by 1 order by 1")
        assert [(b["key"], b["doc_count"]) for b in got["buckets"]] == expected

    def numbers(self, query, where):
        field, column = self.rng.choice(list(NUMBERS.items()))
        got = self.ask(query, {"extended_stats": {"field": field}})
        n, low, high, avg, total, var = self.sql(f"count({column}), min({column}), max({column}), avg({column}), sum({column}), var_pop({column})", where)[0]
        assert got["count"] == n
        assert same(got["min"], low) and same(got["max"], high) and same(got["avg"], avg) and same(got["sum"], total or 0)
        if n:
            assert math.isclose(got["variance"], var, rel_tol=1e-6, abs_tol=1e-9)

    def cardinality(self, query, where):
        field, column = self.rng.choice(list(self.g.keywords.items()) + list(NUMBERS.items()))
        assert self.ask(query, {"cardinality": {"field": field}})["value"] == self.sql(f"count(distinct {column})", where)[0][0]

    def percentiles(self, query, where):
        field, column = self.rng.choice(list(DOUBLES.items()))
        got = self.ask(query, {"percentiles": {"field": field, "percents": [1, 50, 95, 99.9]}})["values"]
        for p, value in got.items():
            near = self.sql(f"quantile_disc({column}, {float(p) / 100}), quantile_cont({column}, {float(p) / 100})", where)[0]
            if near[0] is None:
                assert value is None
                continue
            ranked = sorted(v for v, in self.sql(column, where, f"and {column} is not null"))
            at = float(p) / 100 * (len(ranked) - 1)
            low, high = ranked[math.floor(at)], ranked[math.ceil(at)]  # between which any definition of a quantile lies
            assert low - abs(low) * QUANTILE_ERROR - 1e-12 <= value <= high + abs(high) * QUANTILE_ERROR + 1e-12, (p, value, near)

    def ranges(self, query, where):
        cuts = sorted(self.rng.sample([1, 2.5, 3, 5, 7.25], 2))
        got = self.ask(query, {"range": {"field": "input.petal_width", "ranges": [{"to": cuts[0]}, {"from": cuts[0], "to": cuts[1]}, {"from": cuts[1], "key": "rest"}]}})
        conditions = [f"petal_width < {cuts[0]}", f"petal_width >= {cuts[0]} and petal_width < {cuts[1]}", f"petal_width >= {cuts[1]}"]
        assert [b["doc_count"] for b in got["buckets"]] == [self.sql("count(*)", where, f"and {c}")[0][0] for c in conditions]
        assert got["buckets"][2]["key"] == "rest"

    def filters(self, query, where):
        (q1, c1), (q2, c2) = self.g.leaf(), self.g.leaf()
        got = self.ask(query, {"filters": {"filters": {"x": q1, "y": q2}, "other_bucket": True}})
        expected = [self.sql("count(*)", where, f"and coalesce({c}, false)")[0][0] for c in [c1, c2, f"not coalesce({c1}, false) and not coalesce({c2}, false)"]]
        assert [got["buckets"][k]["doc_count"] for k in ["x", "y", "_other_"]] == expected

    def missing(self, query, where):
        field, column = self.rng.choice(list(self.g.keywords.items()))
        assert self.ask(query, {"missing": {"field": field}})["doc_count"] == self.sql("count(*)", where, f"and {column} is null")[0][0]


KINDS = ["count", "terms", "date_histogram", "histogram", "numbers", "cardinality", "percentiles", "ranges", "filters", "missing"]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_duckdb(world, kind):
    s, db, table, team = world
    assert len(table) == searched.EVENTS + 40
    oracle = Oracle(s, db, table, Generator(random.Random(kind), table, team))
    for i in range(QUERIES // len(KINDS)):
        query, where = oracle.g.query()
        try:
            getattr(oracle, kind)(query, where)
        except AssertionError as e:
            raise AssertionError(f"{kind} {i}: {query}\n{where}\n{e}") from e
