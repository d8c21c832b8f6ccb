"""Pipelines and linear models of scikit-learn: computed by sibyl itself, beside a twin of each that a Python worker
serves, with the same requests to both."""
import json
import math

import pytest
from models import made
from sibyl import Sibyl

SCRIPT = r'''
import pathlib, shutil, sys
import mlflow, numpy as np, pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

out = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(4)
n = 300
X = pd.DataFrame({"age": rng.normal(40, 12, n), "income": np.exp(rng.normal(8, 1, n)), "city": rng.choice(["Kiel", "Bonn", "Köln"], n),
                  "plan": rng.choice(["basic", "pro", None], n, p=[0.5, 0.4, 0.1]), "visits": rng.integers(0, 20, n)})
X.loc[rng.random(n) < 0.1, "income"] = np.nan
y = np.where(X.age + 10 * (X.city == "Bonn") + X.visits + rng.normal(0, 5, n) > 52, "stays", "leaves")
numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
churn = make_pipeline(ColumnTransformer([("n", numbers, ["age", "income", "visits"]), ("w", words, ["city", "plan"])]), LogisticRegression())
strict = make_pipeline(ColumnTransformer([("o", OrdinalEncoder(), ["city"])], remainder="passthrough"), RandomForestClassifier(9, max_depth=4, random_state=1))
targets = LinearRegression().fit(X[["age", "visits"]], np.c_[X.age * 2, -X.visits])
example = X.dropna().iloc[:3]
sk = dict(serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
labels = pd.DataFrame({"churn": y[:3]})
mlflow.sklearn.save_model(churn.fit(X, y), out / "churn", signature=infer_signature(example, labels), input_example=example, **sk)
mlflow.sklearn.save_model(churn, out / "unsigned", **sk)
mlflow.sklearn.save_model(strict.fit(X[["age", "city", "visits"]], y), out / "strict", signature=infer_signature(example[["age", "city", "visits"]], labels), **sk)
two = pd.DataFrame({"double": [1.0], "minus": [1.0]})
mlflow.sklearn.save_model(targets, out / "targets", signature=infer_signature(example[["age", "visits"]], two), **sk)
for name in ["churn", "unsigned", "strict", "targets"]:
    twin = out / f"{name}-twin"  # of a version that only workers know
    shutil.copytree(out / name, twin)
    data = (twin / "model.pkl").read_bytes()
    assert b"1.9.1" in data
    (twin / "model.pkl").write_bytes(data.replace(b"1.9.1", b"1.999"))
'''
ROW = {"age": 41.5, "income": 3000.0, "city": "Kiel", "plan": "pro", "visits": 7}


@pytest.fixture(scope="module")
def twins():
    folder = made("pipelines-api", SCRIPT)
    with Sibyl() as s:
        for name in ["churn", "unsigned", "strict", "targets"]:
            for full in [name, f"{name}-twin"]:
                s.register(full, folder / full, alias="production")
        yield s
        assert s.stop() == 0, s.log()[-4000:]


def frames(*rows):
    keys = list(rows[0])
    return {"dataframe_split": {"columns": keys, "data": [[r[k] for k in keys] for r in rows]}}


REQUESTS = {
    "churn": [
        ("one row", "predict", ROW),
        ("several", "predict", [ROW, {**ROW, "city": "Bonn", "age": 20}, {**ROW, "plan": "basic"}]),
        ("null in a number", "predict", {**ROW, "income": None}),
        ("null in text, alone", "predict", {**ROW, "plan": None}),
        ("null in text, beside others", "predict", [ROW, {**ROW, "plan": None}]),
        ("an unknown category", "predict", {**ROW, "city": "Ulm"}),
        ("no category at all", "predict", {**ROW, "city": ""}),
        ("a large value", "predict", {**ROW, "income": 1e300}),
        ("a number for text", "predict", {**ROW, "city": 5}),
        ("text for a number", "predict", {**ROW, "age": "forty"}),
        ("text that is a number", "predict", {**ROW, "age": "41.5"}),
        ("a column is missing", "predict", {k: v for k, v in ROW.items() if k != "city"}),
        ("a column too many", "predict", {**ROW, "shoe": 43}),
        ("another order", "predict", dict(reversed(ROW.items()))),
        ("split", "invocations", frames(ROW, {**ROW, "income": None})),
        ("records", "invocations", {"dataframe_records": [ROW, {**ROW, "city": "nowhere"}]}),
    ],
    "unsigned": [
        ("one row", "predict", ROW),
        ("a whole column of nulls", "predict", {**ROW, "plan": None}),
        ("a number for text", "predict", {**ROW, "city": 5}),
        ("a bool for a number", "predict", {**ROW, "age": True}),
        ("text for a number", "predict", {**ROW, "visits": "many"}),
        ("a column is missing", "predict", {k: v for k, v in ROW.items() if k != "plan"}),
        ("a column too many", "predict", {**ROW, "shoe": 43}),
        ("split", "invocations", frames(ROW, {**ROW, "city": None})),
    ],
    "strict": [
        ("one row", "predict", {"age": 30, "city": "Bonn", "visits": 3}),
        ("an unknown category", "predict", {"age": 30, "city": "Ulm", "visits": 3}),
        ("null in a number", "predict", {"age": None, "city": "Bonn", "visits": 3}),
        ("null in text", "predict", {"age": 30, "city": None, "visits": 3}),
        ("too large for float32", "predict", {"age": 1e39, "city": "Bonn", "visits": 3}),
        ("two rows, one unknown", "predict", [{"age": 30, "city": "Bonn", "visits": 3}, {"age": 30, "city": "Ulm", "visits": 3}]),
    ],
    "targets": [
        ("two outputs", "predict", [{"age": 30, "visits": 3}, {"age": 3e10, "visits": 0}]),
        ("two outputs of invocations", "invocations", frames({"age": 30, "visits": 3})),
        ("infinity", "predict", '{"age": 1e999, "visits": 3}'),
    ],
}
CASES = [pytest.param(model, path, body, id=f"{model}: {what}") for model, cases in REQUESTS.items() for what, path, body in cases]


def plain(value):
    """An answer without ids and names."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in ("event_id", "model", "model_version", "request_id")}
    return [plain(v) for v in value] if isinstance(value, list) else value


def alike(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(alike, a, b))
    return a == b


def test_who_serves_them(twins):
    for name in REQUESTS:
        assert twins.model(name)["live"]["backend"] == "native"
        assert twins.model(f"{name}-twin")["live"]["backend"] == "python"


@pytest.mark.parametrize("model, path, body", CASES)
def test_a_pipeline_answers_as_its_twin_in_python(twins, model, path, body):
    ours, theirs = (twins.post(f"/models/{name}/{path}", body) for name in (model, f"{model}-twin"))
    assert ours.status == theirs.status, (ours, theirs)
    if ours.status == 200:
        assert alike(plain(ours.json()), plain(theirs.json())), (ours, theirs)


@pytest.mark.parametrize("row, column", [({"age": 30, "city": "Ulm", "visits": 3}, "city"), ({"age": 1e39, "city": "Bonn", "visits": 3}, "age")])
def test_a_refusal_names_row_and_column(twins, row, column):
    good = {"age": 30, "city": "Bonn", "visits": 3}
    a = twins.post("/models/strict/predict", [good, row])
    assert a.status == 400
    assert f'row 1, feature "{column}"' in json.dumps(a.json()).replace('\\"', '"'), a
