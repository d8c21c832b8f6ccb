"""Boosted trees over HTTP: computed by sibyl itself, with the answers that MLflow's own loaders give."""
import json

import pytest
from models import made
from sibyl import Sibyl

SCRIPT = r'''
import json, pathlib, sys
import lightgbm as lgb, mlflow, numpy as np, pandas as pd, xgboost as xgb
from mlflow.models import infer_signature
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier

out = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(4)
n = 300
X = pd.DataFrame({"age": rng.normal(40, 12, n), "income": np.exp(rng.normal(8, 1, n)), "visits": rng.integers(0, 20, n).astype(float)})
y = np.where(X.age + X.visits + rng.normal(0, 5, n) > 50, "stays", "leaves")
score = X.age * 2 + X.visits
sign = dict(signature=infer_signature(X, pd.DataFrame({"out": score})))
label = dict(signature=infer_signature(X, pd.DataFrame({"out": y})))
small = dict(n_estimators=8, n_jobs=1)
pip = dict(pip_requirements=["scikit-learn"])
mlflow.lightgbm.save_model(lgb.train({"objective": "regression", "verbose": -1}, lgb.Dataset(X, score), 8), out / "lgb", **sign, **pip)
mlflow.lightgbm.save_model(lgb.LGBMClassifier(verbose=-1, **small).fit(X, y), out / "lgbmc", serialization_format="cloudpickle", **label, **pip)
mlflow.sklearn.save_model(xgb.XGBRegressor(**small).fit(X, score), out / "xgbr", serialization_format="cloudpickle", **sign, **pip)
mlflow.sklearn.save_model(GradientBoostingRegressor(n_estimators=8).fit(X, score), out / "gbr", serialization_format="cloudpickle", **sign, **pip)
text = X.assign(city=rng.choice(["Kiel", "Bonn", "Ulm"], n))
hist = HistGradientBoostingClassifier(max_iter=8, categorical_features=["city"]).fit(text, y)
mlflow.sklearn.save_model(hist, out / "hist", serialization_format="cloudpickle",
                          signature=infer_signature(text, pd.DataFrame({"out": y})), **pip)
rows = text.iloc[:20].copy()
rows.loc[rows.index[3], "city"] = "nowhere"
expect = {}
for name in ["lgb", "lgbmc", "xgbr", "gbr", "hist"]:
    frame = rows if name == "hist" else rows.drop(columns="city")
    answers = np.asarray(mlflow.pyfunc.load_model(out / name).predict(frame))
    if answers.dtype == np.float32:  # in JSON as short as a float32 is
        answers = np.array([float(str(v)) for v in answers])
    expect[name] = {"split": frame.to_dict(orient="split"), "answers": answers.tolist()}
(out / "expect.json").write_text(json.dumps(expect))
'''
MODELS = ["lgb", "lgbmc", "xgbr", "gbr", "hist"]
ROW = {"age": 41.5, "income": 3000.0, "visits": 7.0}


@pytest.fixture(scope="module")
def served():
    folder = made("trees-api", SCRIPT)
    with Sibyl() as s:
        for name in MODELS:
            s.register(name, folder / name, alias="production")
        yield s, json.loads((folder / "expect.json").read_text())
        assert s.stop() == 0, s.log()[-4000:]


@pytest.mark.san
@pytest.mark.parametrize("name", MODELS)
def test_answers_are_the_loaders_own(served, name):
    s, expect = served
    assert s.model(name)["live"]["backend"] == "native"
    split = {k: expect[name]["split"][k] for k in ("columns", "data")}
    answer = s.post(f"/models/{name}/invocations", {"dataframe_split": split})
    assert answer.status == 200, answer
    assert answer.json()["predictions"] == expect[name]["answers"]
    for row, want in zip(split["data"], expect[name]["answers"]):
        one = s.post(f"/models/{name}/invocations", {"dataframe_split": {"columns": split["columns"], "data": [row]}})
        assert one.json()["predictions"] == [want]


def test_who_takes_a_value_too_large_for_float32(served):
    """scikit-learn's trees refuse it, LightGBM and the wrappers of XGBoost do not."""
    s, _ = served
    refused = s.post("/models/gbr/predict", {**ROW, "income": 1e39})
    assert refused.status == 400
    assert 'feature "income"' in json.dumps(refused.json()).replace('\\"', '"')
    for name in ("lgb", "lgbmc", "xgbr"):
        assert s.post(f"/models/{name}/predict", {**ROW, "income": 1e39}).status == 200
