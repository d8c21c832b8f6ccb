"""Models for test_worker.py, saved with the ordinary MLflow client."""

import os
import sys

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import cloudpickle  # noqa: E402
import mlflow  # noqa: E402
import mlflow.pyfunc  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow.models import ModelSignature, infer_signature  # noqa: E402
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec  # noqa: E402
from sklearn.base import BaseEstimator, TransformerMixin  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.pipeline import Pipeline, make_pipeline  # noqa: E402
from sklearn.preprocessing import LabelEncoder, StandardScaler  # noqa: E402

FEATURES = ["SepalLengthCm", "SepalWidthCm", "PetalLengthCm", "PetalWidthCm"]
SPECIES = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]


class AddRatio(BaseEstimator, TransformerMixin):
    """A transformer of a notebook's own."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        X = X.copy()
        X["ratio"] = X["PetalLengthCm"] / X["PetalWidthCm"]
        return X


class Species(mlflow.pyfunc.PythonModel):
    """A pipeline and a label encoder in a PythonModel: predict gives species names."""

    def __init__(self, model, encoder):
        self.model, self.encoder = model, encoder

    def predict(self, context, model_input, params=None):
        return self.encoder.inverse_transform(self.model.predict(model_input))


class Odd(mlflow.pyfunc.PythonModel):
    """Does what its first input says."""

    def load_context(self, context):
        print("odd model loaded")

    def predict(self, context, model_input, params=None):
        import time

        what = list(model_input["what"])
        for w, x in zip(what, model_input["x"]):
            if w == "print":
                print("first line\nsecond line")
                print("to stderr", file=sys.stderr)
            elif w == "raise":
                raise RuntimeError("odd model fails")
            elif w == "value":
                raise ValueError("x is not what I want: %g" % x)
            elif w == "sleep":
                time.sleep(x)
            elif w == "exit":
                os._exit(int(x))
            elif w == "sysexit":
                sys.exit(int(x))
            elif w == "alloc":
                return [len(bytearray(int(x)))] * len(what)
            elif w == "short":
                return [1.0]
            elif w == "names":
                return pd.DataFrame({"a": model_input["x"], "b": ["t%g" % v for v in model_input["x"]],
                                     "c": [None if v > 1 else v for v in model_input["x"]]})
            elif w == "nested":
                return [{"k": [1, float("nan")], "i": i} for i in range(len(what))]
            elif w == "param":
                return [float(params["k"])] * len(what)
        return np.full(len(what), len(what), dtype="f8")


class NoLoad(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        raise OSError("weights.bin is not there")

    def predict(self, context, model_input):
        return model_input


class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        assert isinstance(model_input, np.ndarray) and model_input.dtype == np.float32
        return model_input.sum(axis=1)


class Hinted(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[int]:
        return [len(text) for text in model_input]


def iris():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.columns = FEATURES
    return X, y.map(dict(enumerate(SPECIES)))


def save_all(root):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    X, y = iris()
    reqs = {"pip_requirements": ["mlflow"]}
    p = lambda name: os.path.join(root, name)  # noqa: E731

    forest = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)).fit(X, y)
    mlflow.sklearn.save_model(forest, p("forest"), serialization_format="cloudpickle", input_example=X.head(2),
                              signature=infer_signature(X, forest.predict(X)), **reqs)

    encoder = LabelEncoder().fit(y)
    inner = Pipeline([("ratio", AddRatio()), ("impute", SimpleImputer()), ("scale", StandardScaler()),
                      ("clf", LogisticRegression(max_iter=500))]).fit(X, encoder.transform(y))
    species = Species(inner, encoder)
    mlflow.pyfunc.save_model(p("species"), python_model=species,
                             signature=infer_signature(X, pd.DataFrame({"Species": y})), **reqs)

    odd = ModelSignature(
        inputs=Schema([ColSpec("string", "what"), ColSpec("double", "x")]),
        params=ParamSchema([ParamSpec("k", "double", 0.5)]))
    mlflow.pyfunc.save_model(p("odd"), python_model=Odd(), signature=odd, **reqs)
    mlflow.pyfunc.save_model(p("noload"), python_model=NoLoad(), **reqs)
    tensor = ModelSignature(inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 2))]))
    mlflow.pyfunc.save_model(p("sum"), python_model=Sum(), signature=tensor, **reqs)

    mlflow.pyfunc.save_model(p("hinted"), python_model=Hinted(), **reqs)

    import xgboost

    booster = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(X, encoder.transform(y))
    mlflow.xgboost.save_model(booster, p("xgb"), signature=infer_signature(X, booster.predict(X)), **reqs)


if __name__ == "__main__":
    sys.modules["worker_models"] = sys.modules[__name__]
    save_all(sys.argv[1])
