"""A notebook's day with the MLflow client of this interpreter: day.py URL. Prints one line of JSON at the end."""
import json
import pathlib
import sys
import tempfile
import time

import lightgbm
import numpy as np
import sklearn.linear_model
import xgboost
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

VERSION = tuple(int(x) for x in mlflow.__version__.split(".")[:2])
NAME = "day-" + "-".join(map(str, VERSION))
NEW = VERSION >= (3, 0)
url = sys.argv[1]
mlflow.set_tracking_uri(url)
client = MlflowClient()
X, y = load_iris(return_X_y=True, as_frame=True)
X.columns = ["sepal_l", "sepal_w", "petal_l", "petal_w"]
done = []


def step(f):
    start = time.monotonic()
    f()
    done.append(f.__name__)
    print(f"{f.__name__}: {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    return f


def refused(code, f, *args, **kw):
    try:
        f(*args, **kw)
    except MlflowException as e:
        assert e.error_code == code, (e.error_code, code, str(e))
        return str(e)
    raise AssertionError(f"{f.__name__}{args}: accepted")


def named(name):
    """The argument that names a model."""
    return {"name": name} if NEW else {"artifact_path": name}


def pickled():
    """3.17's default for scikit-learn is skops; the others know only pickles."""
    return {"serialization_format": "cloudpickle"}


@step
def experiments():
    e = mlflow.set_experiment(NAME)
    assert mlflow.set_experiment(NAME).experiment_id == e.experiment_id
    client.set_experiment_tag(e.experiment_id, "team", "ümläut")
    assert client.get_experiment(e.experiment_id).tags["team"] == "ümläut"
    assert client.get_experiment_by_name(NAME).name == NAME
    assert client.get_experiment_by_name(NAME + "?") is None
    other = client.create_experiment(NAME + " second", tags={"a": "b"})
    client.rename_experiment(other, NAME + " renamed")
    found = client.search_experiments(filter_string=f"name LIKE '{NAME} %'")
    assert [x.experiment_id for x in found] == [other]
    client.delete_experiment(other)
    assert client.get_experiment(other).lifecycle_stage == "deleted"
    client.restore_experiment(other)
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, NAME)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "987654")
    refused("INVALID_PARAMETER_VALUE", client.search_experiments, filter_string="nope = 'x'")


@step
def runs():
    with mlflow.start_run(run_name="parent") as parent:
        mlflow.log_params({"lr": 0.1, "depth": 3, "text": "a b&c=d"})
        mlflow.log_metric("loss", 1.0, step=0)
        for i in range(1, 10):
            mlflow.log_metric("loss", 1.0 / i, step=i)
        mlflow.log_metrics({"acc": 0.5, "f1": float("nan")}, step=3)
        mlflow.set_tags({"stage": "dev", "note": "x" * 3000})
        for i in range(3):
            with mlflow.start_run(nested=True, run_name=f"child-{i}"):
                mlflow.log_param("i", i)
                mlflow.log_metric("score", i / 10)
    run = client.get_run(parent.info.run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "parent"
    assert run.data.params == {"lr": "0.1", "depth": "3", "text": "a b&c=d"}
    assert run.data.metrics["loss"] == 1 / 9 and np.isnan(run.data.metrics["f1"])
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [m.step for m in history] == list(range(10))
    children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{run.info.run_id}'",
                                  order_by=["metrics.score DESC"])
    assert list(children["params.i"]) == ["2", "1", "0"]
    page = client.search_runs([run.info.experiment_id], max_results=2, order_by=["start_time ASC"])
    rest = client.search_runs([run.info.experiment_id], max_results=20, order_by=["start_time ASC"],
                              page_token=page.token)
    assert len(page) == 2 and len(page) + len(rest) == 4 and not rest.token
    client.set_tag(run.info.run_id, "gone", "1")
    client.delete_tag(run.info.run_id, "gone")
    client.log_batch(run.info.run_id, params=[mlflow.entities.Param(f"p{i}", "v") for i in range(100)],
                     metrics=[mlflow.entities.Metric("m", i, i, i) for i in range(800)])
    assert len(client.get_metric_history(run.info.run_id, "m")) == 800
    client.delete_run(run.info.run_id)
    refused("INVALID_PARAMETER_VALUE", client.log_param, run.info.run_id, "late", 1)
    client.restore_run(run.info.run_id)
    client.set_terminated(client.create_run(run.info.experiment_id).info.run_id, "KILLED")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [run.info.experiment_id], "params.lr > 'x'")
    refused("INVALID_PARAMETER_VALUE", client.log_param, run.info.run_id, "lr", "0.2")


@step
def datasets():
    with mlflow.start_run() as run:
        data = mlflow.data.from_pandas(X.assign(target=y), targets="target", name="iris")
        mlflow.log_input(data, context="training")
    inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert inputs[0].dataset.name == "iris" and inputs[0].tags[0].value == "training"
    assert len(mlflow.search_runs(filter_string="dataset.name = 'iris'")) == 1


@step
def artifacts():
    with tempfile.TemporaryDirectory() as temp, mlflow.start_run() as run:
        temp = pathlib.Path(temp)
        (temp / "in/deep/er").mkdir(parents=True)
        names = ["a b.txt", "c+d&e=f;g,h.txt", "grüße-日本.txt", "deep/er/x.bin", "100% sure.txt"]
        for n in names:
            (temp / "in" / n).write_bytes(n.encode() * 100)
        (temp / "in/empty").write_bytes(b"")
        mlflow.log_artifacts(str(temp / "in"), "folder")
        mlflow.log_artifact(str(temp / "in/a b.txt"))
        mlflow.log_text("hello ✓", "notes/n.txt")
        mlflow.log_dict({"k": [1, 2]}, "d.json")
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "i.png")
        mlflow.log_table({"q": ["a"], "n": [1]}, "t.json")
        uri = run.info.artifact_uri
        assert uri.startswith("mlflow-artifacts:/")
        top = {f.path: f.is_dir for f in client.list_artifacts(run.info.run_id)}
        assert top == {"a b.txt": False, "folder": True, "notes": True, "d.json": False, "i.png": False, "t.json": False}
        out = pathlib.Path(client.download_artifacts(run.info.run_id, "folder", str(temp)))
        for n in names:
            assert (out / n).read_bytes() == n.encode() * 100, n
        assert (out / "empty").read_bytes() == b""
        assert mlflow.artifacts.load_text(uri + "/notes/n.txt") == "hello ✓"
        assert mlflow.artifacts.load_dict(uri + "/d.json") == {"k": [1, 2]}
        try:
            client.download_artifacts(run.info.run_id, "missing", str(temp))
        except (MlflowException, OSError):
            pass
        else:
            raise AssertionError("a missing artifact was downloaded")


@step
def autolog():
    mlflow.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run() as a:
            sklearn.linear_model.LogisticRegression(max_iter=50).fit(X, y)
        with mlflow.start_run() as b:
            xgboost.train({"max_depth": 2, "objective": "multi:softprob", "num_class": 3, "nthread": 1},
                          xgboost.DMatrix(X, y), 3)
        with mlflow.start_run() as c:
            lightgbm.train({"num_leaves": 4, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, y), 3)
    finally:
        mlflow.autolog(disable=True)
    run = client.get_run(a.info.run_id)
    assert run.data.params["max_iter"] == "50" and "training_score" in run.data.metrics
    assert client.get_run(b.info.run_id).data.params["max_depth"] == "2"
    assert client.get_run(c.info.run_id).data.params["num_leaves"] == "4"
    assert run.inputs.dataset_inputs


class Doubler(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input["sepal_l"] * 2


@step
def models():
    forest = RandomForestClassifier(3, max_depth=3, random_state=0).fit(X, y)
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(X, y), 2)
    light = lightgbm.train({"num_leaves": 4, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, y), 2)
    signature = infer_signature(X, forest.predict(X))
    with mlflow.start_run() as run:
        mlflow.log_param("trees", 3)
        mlflow.log_metric("acc", forest.score(X, y))
        logged = {
            "forest": mlflow.sklearn.log_model(forest, **named("forest"), signature=signature,
                                               registered_model_name=NAME, pip_requirements=[], **pickled()),
            "xgb": mlflow.xgboost.log_model(booster, **named("xgb"), pip_requirements=[]),
            "lgb": mlflow.lightgbm.log_model(light, **named("lgb"), pip_requirements=[]),
            "custom": mlflow.pyfunc.log_model(python_model=Doubler(), **named("custom"), pip_requirements=[],
                                              registered_model_name=NAME + "-custom"),
        }
        if VERSION >= (3, 17):
            linear = sklearn.linear_model.LogisticRegression(max_iter=20).fit(X, y)
            logged["skops"] = mlflow.sklearn.log_model(linear, name="skops", pip_requirements=[])
    rows = X.head(5)
    for key, info in logged.items():
        model = mlflow.pyfunc.load_model(info.model_uri)
        assert len(model.predict(rows)) == 5, key
    assert list(mlflow.sklearn.load_model(f"models:/{NAME}/1").predict(rows)) == list(forest.predict(rows))
    assert list(mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/custom").predict(rows)) == list(rows.sepal_l * 2)
    if NEW:
        m = client.get_logged_model(logged["forest"].model_id)
        assert m.status == "READY" and m.params["trees"] == "3" and m.source_run_id == run.info.run_id
        found = mlflow.search_logged_models(filter_string="name = 'forest'", output_format="list")
        assert [x.model_id for x in found] == [m.model_id]
        assert {o.model_id for o in client.get_run(run.info.run_id).outputs.model_outputs} == \
            {i.model_id for i in logged.values()}
        client.set_logged_model_tags(m.model_id, {"k": "v"})
        client.delete_logged_model_tag(m.model_id, "k")
        mlflow.log_metrics({"auc": 0.9}, run_id=run.info.run_id, model_id=m.model_id)
        assert {x.key for x in client.get_logged_model(m.model_id).metrics} >= {"auc"}
        gone = mlflow.initialize_logged_model(name="gone")
        client.delete_logged_model(gone.model_id)
        refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, gone.model_id)
    else:
        assert "mlflow.log-model.history" in client.get_run(run.info.run_id).data.tags
    globals().update(forest_info=logged["forest"], forest_run=run)


@step
def registry():
    model = NAME
    again = mlflow.register_model(forest_info.model_uri, model, tags={"from": "uri"})
    assert again.version == "2" or again.version == 2
    by_run = mlflow.register_model(f"runs:/{forest_run.info.run_id}/forest", model)
    assert int(by_run.version) == 3
    client.update_registered_model(model, "described")
    client.set_registered_model_tag(model, "owner", "ann")
    client.set_model_version_tag(model, "2", "checked", "yes")
    client.delete_model_version_tag(model, "2", "from")
    client.update_model_version(model, "2", "second")
    client.set_registered_model_alias(model, "champion", "1")
    client.set_registered_model_alias(model, "champion", "2")
    v = client.get_model_version_by_alias(model, "champion")
    assert int(v.version) == 2 and v.description == "second" and v.tags == {"checked": "yes"} and v.status == "READY"
    m = client.get_registered_model(model)
    assert m.description == "described" and m.tags["owner"] == "ann" and int(m.aliases["champion"]) == 2
    rows = X.head(3)
    assert len(mlflow.pyfunc.load_model(f"models:/{model}@champion").predict(rows)) == 3
    assert client.get_model_version_download_uri(model, "2").startswith("mlflow-artifacts:/")
    client.transition_model_version_stage(model, "1", "Production")
    client.transition_model_version_stage(model, "2", "Production", archive_existing_versions=True)
    assert client.get_model_version(model, "1").current_stage == "Archived"
    assert [int(x.version) for x in client.get_latest_versions(model, ["Production"])] == [2]
    assert len(mlflow.pyfunc.load_model(f"models:/{model}/Production").predict(rows)) == 3
    assert {int(x.version) for x in client.search_model_versions(f"name = '{model}'")} == {1, 2, 3}
    for i in range(5):
        client.create_registered_model(f"{model}-page-{i}", tags={"set": NAME})
    names, token = [], None
    while True:
        page = client.search_registered_models(f"tags.set = '{NAME}'", max_results=2, page_token=token,
                                               order_by=["name DESC"])
        names += [x.name for x in page]
        token = page.token
        if not token:
            break
    assert names == [f"{model}-page-{i}" for i in reversed(range(5))]
    client.rename_registered_model(f"{model}-page-0", f"{model}-renamed")
    client.delete_registered_model(f"{model}-renamed")
    client.delete_model_version(model, "3")
    client.delete_registered_model_alias(model, "champion")
    client.delete_registered_model_tag(model, "owner")
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, model)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, model + "?")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, model, "3")
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, model, "champion")
    refused("INVALID_PARAMETER_VALUE", client.search_registered_models, "nope = 'x'")
    refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, model, "latest", "1")
    refused("INVALID_PARAMETER_VALUE", client.create_model_version, model, "file:///etc")


print(json.dumps({"version": mlflow.__version__, "done": done}))
