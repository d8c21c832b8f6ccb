#!/usr/bin/env python3
"""Makes the tree models that bench/trees.py measures, in each peer's own form. Runs in the bench's environment
(tests/envs/bench.txt).

    tree_models.py FOLDER    makes what is missing, one line per thing made; tl2cgen and lleaves take minutes for the deep models

Seeded, one thread. FOLDER gets X.bin (ROWS x FEATURES float32) and, per model, NAME/ (MLmodel and the library's own file), NAME.want
(the library's predictions as float64) and NAME.onnx, NAME.tl2cgen.so, NAME.lleaves.so where the peer takes such a model. What a peer
could not make is in FILE.failed with the reason; delete that file to try again.
"""
import os
import pathlib
import pickle
import subprocess
import sys
import time
import warnings

os.environ.update(OMP_NUM_THREADS="1")
warnings.filterwarnings("ignore")
import lightgbm
import numpy as np
import sklearn
import xgboost
from sklearn.ensemble import RandomForestRegressor

ROWS, FEATURES = 20000, 30
BOOST = {
    "d6": (100, {"max_depth": 6}, {"max_depth": 6, "num_leaves": 64}),
    "d8": (500, {"max_depth": 8}, {"max_depth": 8, "num_leaves": 256}),
    "l31": (500, {"grow_policy": "lossguide", "max_leaves": 31, "max_depth": 0}, {"num_leaves": 31}),
}


def data():
    r = np.random.RandomState(7)
    x = r.randn(ROWS, FEATURES).astype(np.float32)
    x[:, 20:25] = np.round(x[:, 20:25] * 4) / 4
    w = r.randn(FEATURES)
    y = np.sin(x[:, 0] * 2) + x[:, 1] * x[:, 2] + np.abs(x[:, 3]) - (x[:, 4] > 0.3) * x[:, 5] + 0.3 * (x @ w) / 5
    return x, (y + 0.5 * np.cos(x[:, 6] * x[:, 7]) + 0.3 * r.randn(ROWS)).astype(np.float32)


def mlmodel(folder, flavor, loader, file, version):
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text(f"flavors:\n  python_function:\n    loader_module: {loader}\n    model_path: {file}\n    python_version: 3.11.2\n"
                                    f"    data: {file}\n  {flavor}:\n{version}model_uuid: 0123456789abcdef0123456789abcdef\n")


def xgb(folder, shape, x, y):
    rounds, params, _ = BOOST[shape]
    d = xgboost.DMatrix(x, y)
    b = xgboost.train({"objective": "reg:squarederror", "base_score": 0.5, "eta": 0.1, "tree_method": "hist", "max_bin": 255, "nthread": 1, "seed": 1, **params}, d, rounds)
    mlmodel(folder, "xgboost", "mlflow.xgboost", "model.ubj",
            f"    data: model.ubj\n    model_class: xgboost.core.Booster\n    model_format: ubj\n    xgb_version: {xgboost.__version__}\n")
    b.save_model(folder / "model.json")
    b.save_model(folder / "model.ubj")
    return b.predict(d)


def lgb(folder, shape, x, y):
    rounds, _, params = BOOST[shape]
    b = lightgbm.train({"objective": "regression", "learning_rate": 0.1, "verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True, **params},
                       lightgbm.Dataset(x.astype(np.float64), y), rounds)
    mlmodel(folder, "lightgbm", "mlflow.lightgbm", "model.lgb",
            f"    data: model.lgb\n    model_class: lightgbm.basic.Booster\n    lgb_version: {lightgbm.__version__}\n")
    b.save_model(folder / "model.lgb")
    return b.predict(x)


def rf(folder, _, x, y):
    m = RandomForestRegressor(100, random_state=1, n_jobs=1).fit(x, y)
    mlmodel(folder, "sklearn", "mlflow.sklearn", "model.pkl",
            f"    pickled_model: model.pkl\n    serialization_format: pickle\n    sklearn_version: {sklearn.__version__}\n")
    with open(folder / "model.pkl", "wb") as f:
        pickle.dump(m, f, protocol=4)
    return m.predict(x)


def onnx(folder, out):
    kind = folder.name[:3]
    if folder.name == "rf":
        from skl2onnx import to_onnx
        with open(folder / "model.pkl", "rb") as f:
            o = to_onnx(pickle.load(f), np.zeros((1, FEATURES), np.float32), target_opset=15)
    else:
        from onnxmltools.convert import convert_lightgbm, convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType
        if kind == "xgb":
            model, convert = xgboost.Booster(model_file=folder / "model.ubj"), convert_xgboost
        else:
            model, convert = lightgbm.Booster(model_file=folder / "model.lgb"), convert_lightgbm
        o = convert(model, initial_types=[("X", FloatTensorType([None, FEATURES]))], target_opset=15)
    out.write_bytes(o.SerializeToString())


def treelite_model(folder):
    import treelite
    if folder.name.startswith("xgb"):
        return treelite.frontend.load_xgboost_model(str(folder / "model.json"), format_choice="use_suffix")
    return treelite.frontend.load_lightgbm_model(str(folder / "model.lgb"))


def tl2cgen(folder, out):
    import tl2cgen as t
    t.export_lib(treelite_model(folder), toolchain="gcc", libpath=str(out), params={"parallel_comp": 32}, nthread=1, options=["-O3"])


def lleaves(folder, out):
    import lleaves as l
    m = l.Model(model_file=str(folder / "model.lgb"))
    cache = out.with_suffix(".o")
    m.compile(cache=str(cache), fcodemodel="large")
    subprocess.check_call(["gcc", "-shared", "-o", out, cache, "-lm"])
    cache.unlink()


def made(name, path, make):
    """Runs make(temporary path) unless path is there; a failure is written down, not raised."""
    failed = path.with_name(path.name + ".failed")
    if path.exists() or failed.exists():
        return
    start, part = time.time(), path.with_name("part-" + path.name)
    try:
        make(part)
        part.rename(path)
        print(f"  made {name} in {time.time() - start:.0f} s", flush=True)
    except Exception as e:  # any peer may fail in any way; the table then shows it as absent
        failed.write_text(f"{type(e).__name__}: {e}"[:2000])
        print(f"  {name}: {type(e).__name__}: {str(e)[:200]}", flush=True)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    x, y = data()
    if not (folder / "X.bin").exists():
        x.tofile(folder / "X.bin")
    names = [f"{kind}_{shape}" for shape in ("d6", "l31", "d8") for kind in ("xgb", "lgb")] + ["rf"]
    for name in names:
        shape = name.rsplit("_", 1)[-1]
        train = {"xgb": xgb, "lgb": lgb, "rf": rf}[name[:3]]

        def make(part, train=train, name=name, shape=shape):
            np.asarray(train(folder / name, shape, x, y), np.float64).tofile(part)

        made(name, folder / f"{name}.want", make)
        made(f"{name} for ONNX Runtime", folder / f"{name}.onnx", lambda part, name=name: onnx(folder / name, part))
    for name in names[:-1]:
        if name.startswith("lgb"):
            made(f"{name} compiled by lleaves", folder / f"{name}.lleaves.so", lambda part, name=name: lleaves(folder / name, part))
        made(f"{name} compiled by tl2cgen", folder / f"{name}.tl2cgen.so", lambda part, name=name: tl2cgen(folder / name, part))


if __name__ == "__main__":
    main()
