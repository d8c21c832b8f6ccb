"""Small MLflow models for the tests, made once per environment and kept in the cache."""
import hashlib
import pathlib
import subprocess

from sibyl import CACHE, PYTHON

SCRIPT = r'''
import pathlib, sys
import mlflow, numpy as np, pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

out = pathlib.Path(sys.argv[1])
iris = load_iris(as_frame=True)
X = iris.data.set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1)
y = pd.Series(iris.target_names[iris.target], name="species")
example = X.iloc[[0, 60, 120]]
signature = infer_signature(example, pd.DataFrame({"species": y.iloc[[0, 60, 120]]}))
sk = dict(signature=signature, input_example=example, serialization_format="cloudpickle")

mlflow.sklearn.save_model(RandomForestClassifier(20, random_state=1).fit(X, y), out / "forest", **sk)
# Always the same answer, which names the model: tells which version computed.
for name in ["a", "b"]:
    tree = DecisionTreeClassifier().fit(X.iloc[:2], [name, name])
    mlflow.sklearn.save_model(tree, out / f"always-{name}", signature=infer_signature(example, pd.DataFrame({"name": [name]})), serialization_format="cloudpickle")
mlflow.sklearn.save_model(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), out / "logistic", **sk)


class Wrapped(mlflow.pyfunc.PythonModel):
    """An sklearn pipeline and a label encoder behind a PythonModel, as teams write it."""
    def __init__(self, pipeline, encoder):
        self.pipeline, self.encoder = pipeline, encoder

    def predict(self, context, model_input, params=None):
        return pd.DataFrame({"Species": self.encoder.inverse_transform(self.pipeline.predict(model_input))})


encoder = LabelEncoder().fit(y)
pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=2)).fit(X, encoder.transform(y))
mlflow.pyfunc.save_model(out / "wrapped", python_model=Wrapped(pipeline, encoder), input_example=example,
                         signature=infer_signature(example, pd.DataFrame({"Species": ["setosa"]})))


class Moody(mlflow.pyfunc.PythonModel):
    """Does what the row says: sleeps, prints, raises, ends the process, or doubles x."""
    def predict(self, context, model_input, params=None):
        import os, time
        for action, x in zip(model_input["action"], model_input["x"]):
            if action == "sleep": time.sleep(x)
            if action == "print": print("moody says", x, flush=True)
            if action == "raise": raise RuntimeError(f"moody refuses {x}")
            if action == "exit": os._exit(int(x))
        return pd.DataFrame({"doubled": model_input["x"] * 2})


moody = pd.DataFrame({"action": ["none"], "x": [1.5]})
mlflow.pyfunc.save_model(out / "moody", python_model=Moody(), input_example=moody, signature=infer_signature(moody, pd.DataFrame({"doubled": [3.0]})))
'''


def made(name, script):
    """The folder that the script, called with it, filled; kept by the script's digest."""
    digest = hashlib.sha256((script + PYTHON).encode()).hexdigest()[:12]
    made = CACHE / f"{name}-{digest}"
    if not made.exists():
        tmp = made.with_name(made.name + ".tmp")
        subprocess.run(["rm", "-rf", tmp], check=True)
        tmp.mkdir(parents=True)
        subprocess.run([PYTHON, "-W", "ignore", "-c", script, tmp], check=True, env={"PATH": "/usr/bin:/bin", "HOME": str(pathlib.Path.home()), "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"})
        tmp.rename(made)
    return made


def folder():
    """Where the models lie: forest, always-a, always-b, logistic, wrapped, moody."""
    return made("models", SCRIPT)
