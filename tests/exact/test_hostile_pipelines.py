"""The converter on pipelines and linear models whose parts contradict each other: an error or a worker's, with the
reason, never a crash."""
import subprocess

import pytest
from conftest import PYTHON

SKLEARN = """flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
  sklearn:
    pickled_model: model.pkl
"""

# Runs in the environment of the models: writes one pickle per case.
MAKE = r'''
import copyreg, io, json, pathlib, pickle, sys
import numpy as np, pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

out = pathlib.Path(sys.argv[1])


class Pickler(pickle.Pickler):
    def __init__(self, file, change):
        super().__init__(file, 4)
        self.change = change

    def reducer_override(self, obj):
        if not isinstance(obj, BaseEstimator):
            return NotImplemented
        return copyreg.__newobj__, (type(obj),), {**obj.__getstate__(), **self.change.get(type(obj).__name__, {})}


X = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30.0) % 7, "c": list("xyzxy") * 6})
y = np.array([0, 1] * 15)


def fitted():
    numbers = Pipeline([("i", SimpleImputer(add_indicator=True)), ("s", StandardScaler()), ("m", MinMaxScaler())])
    words = OneHotEncoder(handle_unknown="infrequent_if_exist", drop=["x"], min_frequency=7)
    return Pipeline([("ct", ColumnTransformer([("n", numbers, ["a", "b"]), ("w", words, ["c"])])), ("l", LogisticRegression())]).fit(X, y)


def array(*shape):
    return np.zeros(shape)


def obj(*items):
    a = np.empty(len(items), dtype=object)
    a[:] = items
    return a


good = fitted()
ct = good.steps[0][1]
loop = Pipeline([("a", StandardScaler()), ("b", LogisticRegression())]).fit(X[["a", "b"]], y)
wide = Pipeline([("p", "passthrough")])
for _ in range(14):
    wide = Pipeline([(f"s{i}", wide) for i in range(40)])
CASES = {
    "fine": {},
    "coef of another width": {"LogisticRegression": {"coef_": array(1, 3)}},
    "coef of no width": {"LogisticRegression": {"coef_": array(1, 0)}},
    "coef of three dimensions": {"LogisticRegression": {"coef_": array(1, 1, 5)}},
    "coef of text": {"LogisticRegression": {"coef_": np.array([["a", "b"]])}},
    "no coef": {"LogisticRegression": {"coef_": None}},
    "intercepts of another model": {"LogisticRegression": {"intercept_": array(5)}},
    "three classes for one score": {"LogisticRegression": {"classes_": np.arange(3)}},
    "no classes": {"LogisticRegression": {"classes_": array(0)}},
    "labels of several kinds": {"LogisticRegression": {"classes_": obj("a", 1)}},
    "labels that are not finite": {"LogisticRegression": {"classes_": np.array([0.0, np.nan])}},
    "scales of another width": {"StandardScaler": {"scale_": array(9)}},
    "no scales": {"StandardScaler": {"scale_": None}},
    "scales that are not numbers": {"StandardScaler": {"scale_": np.array([np.nan] * 2), "mean_": np.array([np.inf] * 2)}},
    "statistics of another width": {"SimpleImputer": {"statistics_": array(1)}},
    "statistics of objects that are no values": {"SimpleImputer": {"statistics_": obj([1], [2])}},
    "indicators out of range": {"MissingIndicator": {"features_": np.array([7])}},
    "negative indicators": {"MissingIndicator": {"features_": np.array([-1])}},
    "a range of one end": {"MinMaxScaler": {"clip": True, "feature_range": (1,)}},
    "no categories": {"OneHotEncoder": {"categories_": []}},
    "categories that are no array": {"OneHotEncoder": {"categories_": ["xyz"]}},
    "categories that are no values": {"OneHotEncoder": {"categories_": [obj({}, [], ())]}},
    "categories beyond 2^53": {"OneHotEncoder": {"categories_": [np.array([1, 2, 2**60])]}},
    "a dropped category out of range": {"OneHotEncoder": {"_drop_idx_after_grouping": np.array([99], dtype=object)}},
    "a negative dropped category": {"OneHotEncoder": {"_drop_idx_after_grouping": np.array([-2])}},
    "groups out of range": {"OneHotEncoder": {"_default_to_infrequent_mappings": [np.array([0, 1, 77])]}},
    "groups of fewer categories": {"OneHotEncoder": {"_default_to_infrequent_mappings": [np.array([0])]}},
    "columns out of range": {"ColumnTransformer": {"_transformer_to_input_indices": {"n": [0, 9], "w": [2], "remainder": []}}},
    "negative columns out of range": {"ColumnTransformer": {"_transformer_to_input_indices": {"n": [0, -9], "w": [2], "remainder": []}}},
    "columns that are none": {"ColumnTransformer": {"_transformer_to_input_indices": {"n": [1.5, None], "w": [2], "remainder": []}}},
    "no transformers": {"ColumnTransformer": {"transformers_": []}},
    "transformers that are none": {"ColumnTransformer": {"transformers_": [("n",), 5]}},
    "a transformer that is a number": {"ColumnTransformer": {"transformers_": [("n", 5, ["a"])]}},
    "names of other columns": {"ColumnTransformer": {"feature_names_in_": obj("a")}},
    "more features than any model has": {"ColumnTransformer": {"n_features_in_": 1 << 40}},
    "no features": {"ColumnTransformer": {"n_features_in_": 0}},
    "no steps": {"Pipeline": {"steps": []}},
    "steps that are none": {"Pipeline": {"steps": [1, 2]}},
    "a model in the middle": {"Pipeline": {"steps": [("a", LogisticRegression()), ("b", LogisticRegression())]}},
    "another version": {"OneHotEncoder": {"_sklearn_version": "7.1"}},
    "no version": {"OneHotEncoder": {"_sklearn_version": None}},
}
for name, change in CASES.items():
    with open(out / (name + ".pkl"), "wb") as f:
        Pickler(f, change).dump(good)
ct.transformers_ = [("n", ct, ["a", "b", "c"])]
pickle.dump(good, open(out / "a transformer inside itself.pkl", "wb"))
bomb = Pipeline([("w", wide), ("l", loop.steps[1][1])])
bomb.steps.insert(0, ("s", loop.steps[0][1]))
pickle.dump(bomb, open(out / "a pipeline of 40^14 steps.pkl", "wb"))
pickle.dump(Pipeline([("a", loop), ("b", loop)]), open(out / "pipelines in a row.pkl", "wb"))
'''
NATIVE, WORKER, DAMAGED = "native: ", "worker: ", "CORRUPT: "
SAYS = {
    "fine": NATIVE, "scales that are not numbers": NATIVE,
    "labels of several kinds": WORKER, "statistics of objects that are no values": WORKER, "categories that are no values": WORKER,
    "categories beyond 2^53": WORKER, "another version": WORKER, "no version": WORKER, "a model in the middle": WORKER,
    "pipelines in a row": WORKER, "more features than any model has": WORKER, "no features": WORKER,
}


@pytest.fixture(scope="module")
def pickles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    subprocess.run([PYTHON, "-W", "ignore", "-c", MAKE, str(folder)], check=True)
    return folder


def convert(tool, folder, image):
    done = subprocess.run([tool, "child", str(folder), str(image)], capture_output=True, text=True, timeout=60)
    return done.stdout.strip() or f"ended with {done.returncode}: {done.stderr}"


def test_models_that_contradict_themselves(tool, pickles, tmp_path):
    files = sorted(pickles.glob("*.pkl"))
    assert len(files) >= 40
    (tmp_path / "MLmodel").write_text(SKLEARN)
    wrong = []
    for path in files:
        (tmp_path / "model.pkl").write_bytes(path.read_bytes())
        says = convert(tool, tmp_path, tmp_path / "image")
        if not says.startswith(SAYS.get(path.stem, DAMAGED)):
            wrong.append(f"{path.stem}: {says}")
    assert not wrong, "\n".join(wrong)


def test_every_truncation_is_an_error(tool, pickles, tmp_path):
    (tmp_path / "MLmodel").write_text(SKLEARN)
    whole = (pickles / "fine.pkl").read_bytes()
    for n in range(1, 20):
        (tmp_path / "model.pkl").write_bytes(whole[:len(whole) * n // 20])
        assert convert(tool, tmp_path, tmp_path / "image").startswith(DAMAGED)
