"""Every public method of this interpreter's MlflowClient: methods.py URL. Each is called and its answer looked at, or
stands in ABSENT with the reason; a method of neither kind fails. Prints one line of JSON at the end."""
import inspect
import json
import pathlib
import re
import sys
import tempfile
import time

import numpy as np
import pandas as pd
import requests

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

VERSION = tuple(int(x) for x in mlflow.__version__.split(".")[:2])
NEW = VERSION >= (3, 0)
T = "methods-" + "-".join(map(str, VERSION))
ABSENT = {
    "traces": r"trace|span|assessment",
    "evaluation datasets": r"^(create|get|delete|search)_datasets?$|_dataset_tags?$|_dataset_to_|_dataset_from_|^(add|remove)_dataset",
    "MCP servers": r"_mcp_",
    "webhooks": r"webhook",
    "workspaces": r"workspace",
}

url = sys.argv[1]
mlflow.set_tracking_uri(url)
c = MlflowClient()
called = []


class Recorder:
    """The client, writing down which methods are called."""

    def __getattr__(self, name):
        called.append(name)
        return getattr(c, name)


m = Recorder()
folder = pathlib.Path(tempfile.mkdtemp(prefix="methods-"))


def gone(f, *args, **kw):
    try:
        f(*args, **kw)
    except MlflowException as e:
        return e.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
    return False


def experiments():
    e = m.create_experiment(T, tags={"a": "1"})
    m.set_experiment_tag(e, "b", "2")
    assert m.get_experiment(e).tags == {"a": "1", "b": "2"}
    if hasattr(c, "delete_experiment_tag"):
        m.delete_experiment_tag(e, "a")
        assert c.get_experiment(e).tags == {"b": "2"}
    m.rename_experiment(e, T + "-b")
    assert m.get_experiment_by_name(T + "-b").experiment_id == e
    m.delete_experiment(e)
    assert c.get_experiment(e).lifecycle_stage == "deleted"
    m.restore_experiment(e)
    assert [x.name for x in m.search_experiments(filter_string=f"name = '{T}-b'")] == [T + "-b"]
    return e


def runs(e):
    r = m.create_run(e, run_name="one", tags={"x": "y"}).info.run_id
    child = c.create_run(e, run_name="two", tags={"mlflow.parentRunId": r}).info.run_id
    assert m.get_parent_run(child).info.run_id == r
    m.log_metric(r, "loss", 0.5, step=1)
    m.log_param(r, "lr", "0.1")
    m.set_tag(r, "t", "1")
    now = int(time.time() * 1000)
    m.log_batch(r, [Metric("loss", 0.25, now, 2)], [Param("p", "q")], [RunTag("u", "v")])
    assert [x.value for x in m.get_metric_history(r, "loss")] == [0.5, 0.25]
    m.delete_tag(r, "t")
    m.update_run(r, name="renamed", status="SCHEDULED")
    run = m.get_run(r)
    assert run.info.run_name == "renamed" and run.info.status == "SCHEDULED"
    assert run.data.metrics == {"loss": 0.25} and run.data.params == {"lr": "0.1", "p": "q"}
    assert run.data.tags["u"] == "v" and "t" not in run.data.tags
    data = mlflow.data.from_pandas(pd.DataFrame({"a": [1, 2]}), name="d")
    from mlflow.entities import DatasetInput
    m.log_inputs(r, [DatasetInput(data._to_mlflow_entity())])
    assert c.get_run(r).inputs.dataset_inputs[0].dataset.name == "d"
    m.set_terminated(child)
    assert [x.info.run_name for x in m.search_runs([e], "params.lr = '0.1'")] == ["renamed"]
    m.delete_run(child)
    assert len(c.search_runs([e])) == 1
    m.restore_run(child)
    assert len(c.search_runs([e])) == 2
    return r


def artifacts(r):
    (folder / "a.txt").write_text("alpha")
    (folder / "more").mkdir()
    (folder / "more" / "b.txt").write_text("beta")
    m.log_artifact(r, folder / "a.txt")
    m.log_artifacts(r, folder / "more", "more")
    m.log_dict(r, {"k": [1]}, "d/x.json")
    m.log_text(r, "text", "t.txt")
    m.log_image(r, np.zeros((4, 4, 3), dtype=np.uint8), "i.png")
    m.log_table(r, {"q": ["a", "b"], "n": [1, 2]}, "table.json")
    if hasattr(c, "log_stream"):
        import io
        m.log_stream(r, io.BytesIO(b"streamed"), "s.bin")
        assert pathlib.Path(c.download_artifacts(r, "s.bin")).read_bytes() == b"streamed"
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    m.log_figure(r, figure, "f.png")
    names = {f.path for f in m.list_artifacts(r)}
    assert {"a.txt", "more", "d", "t.txt", "i.png", "table.json", "f.png"} <= names
    assert pathlib.Path(m.download_artifacts(r, "more/b.txt")).read_text() == "beta"
    assert (pathlib.Path(c.download_artifacts(r, "")) / "d" / "x.json").exists()
    c.get_experiment(c.get_run(r).info.experiment_id)
    loaded = m.load_table(c.get_run(r).info.experiment_id, run_ids=[r], artifact_file="table.json")
    assert list(loaded["q"]) == ["a", "b"]


def logged_models(e, r):
    from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus
    x = m.create_logged_model(e, name="m", source_run_id=r, params={"a": "1"}, tags={"t": "1"}, model_type="k")
    m.log_model_params(x.model_id, {"b": "2"})
    m.set_logged_model_tags(x.model_id, {"u": "2"})
    m.delete_logged_model_tag(x.model_id, "t")
    (folder / "MLmodel").write_text("flavors: {}\n")
    m.log_model_artifact(x.model_id, str(folder / "MLmodel"))
    m.log_model_artifacts(x.model_id, str(folder / "more"))
    assert {f.path for f in m.list_logged_model_artifacts(x.model_id)} == {"MLmodel", "b.txt"}
    m.finalize_logged_model(x.model_id, LoggedModelStatus.READY)
    m.log_outputs(r, [LoggedModelOutput(x.model_id, 3)])
    c.log_inputs(r, models=[LoggedModelInput(x.model_id)])
    c.log_metric(r, "auc", 0.9, model_id=x.model_id)
    got = m.get_logged_model(x.model_id)
    assert got.params == {"a": "1", "b": "2"} and got.tags.get("u") == "2" and "t" not in got.tags
    assert got.metrics[0].value == 0.9 and got.status == LoggedModelStatus.READY
    assert [y.model_id for y in m.search_logged_models([e], "params.b = '2' AND metrics.auc > 0.5")] == [x.model_id]
    assert c.get_run(r).outputs.model_outputs[0].step == 3
    y = c.create_logged_model(e, name="gone")
    m.delete_logged_model(y.model_id)
    assert gone(c.get_logged_model, y.model_id)
    return x


def registry(r, logged):
    name = T + "-model"
    assert m.create_registered_model(name, tags={"a": "1"}, description="d").name == name
    source = c.get_run(r).info.artifact_uri + "/more"
    v = m.create_model_version(name, source, run_id=r, tags={"x": "1"}, description="first")
    assert str(v.version) == "1"
    if logged:
        v2 = c.create_model_version(name, f"models:/{logged.model_id}", model_id=logged.model_id)
        assert v2.run_id == r
        assert c.get_logged_model(logged.model_id).tags["mlflow.modelVersions"]
    copied = m.copy_model_version(f"models:/{name}/1", T + "-copy")
    assert copied.source == f"models:/{name}/1" and copied.run_id == r
    m.update_registered_model(name, "dd")
    m.update_model_version(name, "1", "vv")
    m.set_registered_model_tag(name, "b", "2")
    m.delete_registered_model_tag(name, "a")
    m.set_model_version_tag(name, "1", "y", "2")
    c.set_model_version_tag(name, key="z", value="3", version="1")
    m.delete_model_version_tag(name, "1", "x")
    m.set_registered_model_alias(name, "champion", "1")
    assert m.get_model_version_by_alias(name, "champion").version in ("1", 1)
    got = m.get_model_version(name, "1")
    assert got.description == "vv" and got.tags == {"y": "2", "z": "3"} and got.aliases == ["champion"]
    assert m.get_registered_model(name).tags == {"b": "2"} and c.get_registered_model(name).description == "dd"
    assert m.get_model_version_download_uri(name, "1") == source
    assert m.get_model_version_stages(name, "1") == ["None", "Staging", "Production", "Archived"]
    m.transition_model_version_stage(name, "1", "Production")
    assert [str(x.version) for x in m.get_latest_versions(name, ["Production"])] == ["1"]
    c.create_model_version(name, source, run_id=r)
    last = str(max(int(x.version) for x in m.search_model_versions(f"name = '{name}'")))
    c.transition_model_version_stage(name, last, "Production", archive_existing_versions=True)
    assert c.get_model_version(name, "1").current_stage == "Archived"
    assert [x.name for x in m.search_registered_models(f"name = '{name}'")] == [name]
    m.delete_registered_model_alias(name, "champion")
    m.delete_model_version(name, last)
    assert gone(c.get_model_version, name, last)
    m.rename_registered_model(name, name + "-b")
    assert str(c.get_model_version(name + "-b", "1").version) == "1"
    m.delete_registered_model(name + "-b")
    assert gone(c.get_registered_model, name + "-b")


def prompts(r, logged):
    name = T + "-prompt"
    p = m.register_prompt(name, "Say {{word}}", commit_message="first", tags={"a": "1"})
    loaded = m.load_prompt(name, 1)
    assert (int(p.version), loaded.template) == (1, "Say {{word}}"), (p, loaded)
    c.register_prompt(name, "Shout {{word}}")
    assert m.parse_prompt_uri(f"prompts:/{name}/2") in ((name, 2), (name, "2"))
    m.set_prompt_alias(name, "live", 2)
    assert c.load_prompt(f"prompts:/{name}@live").template == "Shout {{word}}"
    assert name not in [x.name for x in c.search_registered_models()]
    if hasattr(c, "get_prompt_version_by_alias"):
        assert m.get_prompt_version_by_alias(name, "live").version == 2
    m.delete_prompt_alias(name, "live")
    if NEW:
        m.link_prompt_version_to_run(r, f"prompts:/{name}/1")
        m.link_prompt_version_to_model(name, "1", logged.model_id)
        assert name in c.get_run(r).data.tags["mlflow.linkedPrompts"]
        # what releases before that tag wrote, and what the next two methods still read
        linked = {"name": name, "version": "1", "key": "mlflow.prompt.associatedRunIds", "value": r}
        if VERSION == (3, 1):  # its own method fails before it calls anything
            requests.post(url + "/api/2.0/mlflow/model-versions/set-tag", json=linked).raise_for_status()
        else:
            m.set_prompt_version_tag(*linked.values())
    else:
        m.log_prompt(r, f"prompts:/{name}/1")
    assert [x.name for x in m.list_logged_prompts(r)] == [name]
    m.detach_prompt_from_run(r, f"prompts:/{name}/1")
    assert m.list_logged_prompts(r) == []
    if not NEW:
        m.delete_prompt(name, 1)
        return
    m.create_prompt(name + "-2", tags={"x": "1"})
    assert m.get_prompt(name + "-2").tags == {"x": "1"}
    m.create_prompt_version(name + "-2", "t {{a}}")
    assert m.get_prompt_version(name + "-2", "1").template == "t {{a}}"
    m.set_prompt_tag(name + "-2", "y", "2")
    m.delete_prompt_tag(name + "-2", "x")
    for f, more in ((m.set_prompt_version_tag, ("w",)), (m.delete_prompt_version_tag, ())):
        try:
            f(name + "-2", "1", "v", *more)
        except TypeError:  # before it calls anything
            assert VERSION == (3, 1)
    assert name in [x.name for x in m.search_prompts(f"name LIKE '{T}%'" if VERSION >= (3, 2) else None)]
    versions(name)
    m.delete_prompt_version(name + "-2", "1")
    m.delete_prompt(name + "-2")


def versions(name):
    """Of open source registries only in newer clients."""
    try:
        found = m.search_prompt_versions(name)
    except MlflowException as e:
        assert "Unity Catalog" in str(e), e
        return
    found = getattr(found, "prompt_versions", found)
    assert sorted(int(v.version) for v in found) == [1, 2]


e = experiments()
r = runs(e)
artifacts(r)
logged = logged_models(e, r) if NEW else None
registry(r, logged)
prompts(r, logged)
public = {n for n, _ in inspect.getmembers(MlflowClient, callable) if not n.startswith("_")}
absent = {n for n in public if any(re.search(p, n) for p in ABSENT.values())} - set(called)
print(json.dumps({"version": mlflow.__version__, "called": len(set(called)), "absent": sorted(absent),
                  "neither": sorted(public - set(called) - absent)}))
