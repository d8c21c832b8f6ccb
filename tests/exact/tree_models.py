#!/usr/bin/env python3
"""Tree models of the exactness suite: boosting of scikit-learn, LightGBM and XGBoost in every form that MLflow stores.

    tree_models.py DIR COUNT      what make_models.py writes, with COUNT models of random parameters at the end

numpy's exp for AVX-512 differs from the C library's in the last bit; the reference is computed without it.
"""

import json
import os
import pickle
import shutil
import sys
import warnings

os.environ["NPY_DISABLE_CPU_FEATURES"] = "X86_V4 AVX512_ICL AVX512_SPR"
warnings.filterwarnings("ignore")

import lightgbm as lgb  # noqa: E402
import mlflow.lightgbm  # noqa: E402
import mlflow.sklearn  # noqa: E402
import mlflow.xgboost  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import xgboost as xgb  # noqa: E402
from sklearn.dummy import DummyClassifier, DummyRegressor  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor  # noqa: E402

from make_models import chex, lines, thresholds_xgboost  # noqa: E402

TRUSTED = [
    "sklearn.tree._tree.Tree", "numpy.dtype", "collections.OrderedDict", "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier", "lightgbm.sklearn.LGBMRegressor", "lightgbm.sklearn.LGBMRanker",
    "xgboost.core.Booster", "xgboost.sklearn.XGBClassifier", "xgboost.sklearn.XGBRegressor",
    "xgboost.sklearn.XGBRFClassifier", "xgboost.sklearn.XGBRFRegressor", "xgboost.sklearn.XGBRanker",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor", "functools.partial",
    "sklearn.utils.validation.check_array",
]
ABC = ["setosa", "virginica", "ver sicolor"]
CATEGORY_COLUMN = 2


class Data:
    """Rows with one column of whole numbers, one of categories when asked for, scores and labels."""

    def __init__(self, seed, n=400, ncols=5, missing=0.0, categories=0, zeros=0.0):
        self.rng = np.random.RandomState(seed)
        self.x = self.rng.randn(n, ncols) * 10.0 ** self.rng.randint(-2, 3, ncols)
        self.x[:, 0] = np.round(self.x[:, 0])
        self.x[self.rng.rand(n, ncols) < zeros] = 0.0
        noise = 0.3 * self.rng.randn(n)
        self.score = (self.x / (np.abs(self.x).mean(axis=0) + 1e-9)).sum(axis=1) + noise
        if categories:
            codes = self.rng.randint(0, categories, n)
            self.x[:, CATEGORY_COLUMN] = codes
            self.score += self.rng.randn(categories)[codes] * 3
        self.x[self.rng.rand(n, ncols) < missing] = np.nan
        self.categories = categories

    def labels(self, labels):
        edges = np.quantile(self.score, np.linspace(0, 1, len(labels) + 1)[1:-1])
        return np.array(labels)[np.digitize(self.score, edges)]

    def outputs(self, k):
        return np.stack([self.score * (i + 1) + self.rng.randn(len(self.score)) for i in range(k)], axis=1)


def edge_rows(data, base, thresholds):
    """Thresholds and their neighbours as doubles and floats, zeros, denormals, tiny, huge and odd values, NaN,
    infinities, and values that are no category."""
    rng = data.rng
    rows = []

    def with_value(col, value):
        row = base[rng.randint(len(base))].copy()
        row[col] = value
        rows.append(row)

    for k in rng.permutation(len(thresholds))[:12]:
        col, t = thresholds[k]
        f = np.float32(t)
        for value in (t, np.nextafter(t, -np.inf), np.nextafter(t, np.inf), f,
                      np.nextafter(f, np.float32(-np.inf)), np.nextafter(f, np.float32(np.inf))):
            with_value(col, float(value))
    specials = [0.0, -0.0, 5e-324, -1e-45, 1e-39, 1e-36, -1e-36, float(np.float32(1e-35)), 1.1e-35, -1.1e-35,
                1.1754944e-38, 3.4028234e38, -3.4028234e38, 3.4028235677973366e38, 1e39, -1e39, 1e300, np.nan, np.inf,
                -np.inf, 2.0**53 + 1, 0.1]
    for value in specials:
        with_value(rng.randint(base.shape[1]), value)
        rows.append(np.full(base.shape[1], value))
    for col in range(min(base.shape[1], 6)):
        with_value(col, np.nan)
    if data.categories:
        for value in (-1, -0.5, -1.5, 0.5, data.categories - 1, data.categories - 0.5, data.categories,
                      data.categories + 1, 31, 32, 33, 63, 64, 255, 256, 257, 1e9, 2.0**31, 2.0**32, 16777215,
                      16777216, 1e20, -1e20):
            with_value(CATEGORY_COLUMN, value)
    return np.array(rows)


def sklearn_thresholds(model):
    trees = getattr(model, "estimators_", [model])
    out = []
    for t in np.ravel(np.array(trees, dtype=object)):
        out += [(f, c) for f, c in zip(t.tree_.feature, t.tree_.threshold) if f >= 0]
    return out


def hist_thresholds(model):
    out = []
    for iteration in model._predictors:
        for p in iteration:
            inner = p.nodes[p.nodes["is_leaf"] == 0]
            out += [(int(f), float(t)) for f, t in zip(inner["feature_idx"], inner["num_threshold"])]
    return out


def lightgbm_thresholds(booster):
    frame = booster.trees_to_dataframe()
    frame = frame[frame["decision_type"] == "<="]
    names = booster.feature_name()
    return [(names.index(f), float(t)) for f, t in zip(frame["split_feature"], frame["threshold"])]


class Maker:
    def __init__(self, root):
        self.root = root
        self.names = []

    def path(self, name):
        return os.path.join(self.root, name, "model")

    def finish(self, name, data, names, thresholds, predict, proba, rows=60):
        folder = os.path.join(self.root, name)
        base = np.resize(data.x[data.rng.permutation(len(data.x))[:rows]], (rows, data.x.shape[1]))
        edges = edge_rows(data, base, thresholds)
        frame = (lambda r: pd.DataFrame(r, columns=names)) if names else (lambda r: r)
        one = [lambda r: predict(frame(r)), proba and (lambda r: proba(frame(r)))]
        expect = lines(*one, base)
        expect += lines(*one, edges)
        np.vstack([base, edges]).astype("<f8").tofile(os.path.join(folder, "rows.f64"))
        with open(os.path.join(folder, "expect.txt"), "w") as f:
            f.write("\n".join(expect) + "\n")
        self.names.append({"name": name, "ncols": base.shape[1], "rows": len(expect)})

    def data(self, **args):
        return Data(1000 + len(self.names), **args)

    def names_of(self, data, named):
        return [f"col_{i}" for i in range(data.x.shape[1])] if named else None

    # scikit-learn's flavor, whatever the estimator

    def save_sklearn(self, name, model, kind):
        how = kind if kind in ("skops", "cloudpickle") else "pickle"
        path = self.path(name)
        mlflow.sklearn.save_model(model, path, serialization_format=how, pip_requirements=["scikit-learn"],
                                  skops_trusted_types=TRUSTED if how == "skops" else None)
        if kind.startswith("p") and kind[1:].isdigit():
            with open(os.path.join(path, "model.pkl"), "wb") as f:
                pickle.dump(model, f, protocol=int(kind[1:]))
        return mlflow.sklearn.load_model(path)

    def sklearn(self, name, model, thresholds=sklearn_thresholds, labels=None, kind="cloudpickle", named=True,
                positive=False, outputs=0, proba=True, fit=None, **args):
        data = self.data(**args)
        names = self.names_of(data, named)
        y = data.labels(labels) if labels else np.exp(data.score / 8) if positive else data.score
        if outputs:
            y = data.outputs(outputs)
        model.fit(pd.DataFrame(data.x, columns=names) if named else data.x, y, **(fit or {}))
        model = self.save_sklearn(name, model, kind)
        self.finish(name, data, names, thresholds(model), model.predict,
                    model.predict_proba if labels and proba else None)

    # LightGBM

    def lgb_booster(self, name, params, k=0, positive=False, unit=False, groups=False, rounds=12, data_params=None,
                    named=True, **args):
        data = self.data(**args)
        names = self.names_of(data, named)
        y = data.labels(list(range(k))) if k else np.exp(data.score / 8) if positive else data.score
        if unit:
            y = 1 / (1 + np.exp(-data.score / 8))
        params = {"verbose": -1, "num_threads": 1, "num_leaves": 9, "min_data_in_leaf": 5, "seed": 1,
                  "min_data_per_group": 5, "max_cat_to_onehot": 3, **params}
        train = lgb.Dataset(data.x, y, feature_name=names or "auto", params=data_params,
                            categorical_feature=[CATEGORY_COLUMN] if data.categories else "auto",
                            group=[20] * (len(y) // 20) if groups else None)
        model = lgb.train(params, train, rounds)
        mlflow.lightgbm.save_model(model, self.path(name), pip_requirements=["lightgbm"])
        model = mlflow.lightgbm.load_model(self.path(name))
        self.finish(name, data, names, lightgbm_thresholds(model), model.predict, None)

    def lgb_wrapper(self, name, model, labels=None, kind="cloudpickle", flavor="lightgbm", named=True, stop=False,
                    groups=False, **args):
        data = self.data(**args)
        names = self.names_of(data, named)
        y = data.labels(labels) if labels else data.score
        model.set_params(verbose=-1, n_jobs=1, random_state=1, min_child_samples=5)
        x = pd.DataFrame(data.x, columns=names) if named else data.x
        fit = {}
        if stop:
            fit = {"eval_set": [(x, data.rng.permutation(y))], "callbacks": [lgb.early_stopping(2, verbose=False)]}
        if groups:
            y, fit = data.labels([0, 1, 2]), {"group": [20] * (len(y) // 20)}
        if data.categories:
            fit["categorical_feature"] = [CATEGORY_COLUMN]
        model.fit(x, y, **fit)
        if flavor == "sklearn":
            model = self.save_sklearn(name, model, kind)
        else:
            mlflow.lightgbm.save_model(model, self.path(name), pip_requirements=["lightgbm"],
                                       serialization_format=kind,
                                       skops_trusted_types=TRUSTED if kind == "skops" else None)
            model = mlflow.lightgbm.load_model(self.path(name))
        self.finish(name, data, names, lightgbm_thresholds(model.booster_), model.predict,
                    model.predict_proba if labels else None)

    # XGBoost

    def xgb_booster(self, name, params, k=0, positive=False, outputs=0, rounds=10, kind="ubj", named=True, **args):
        data = self.data(**args)
        names = self.names_of(data, named)
        y = data.labels(list(range(k))) if k else np.exp(data.score / 8) if positive else data.score
        if outputs:
            y = data.outputs(outputs)
        types = ["c" if data.categories and i == CATEGORY_COLUMN else "q" for i in range(data.x.shape[1])]
        how = {"feature_names": names, "feature_types": types if data.categories else None,
               "enable_categorical": bool(data.categories)}
        train = xgb.DMatrix(data.x, label=y, **how)
        model = xgb.train({"seed": 1, "nthread": 1, "max_depth": 4, **params}, train, rounds)
        mlflow.xgboost.save_model(model, self.path(name), model_format=kind, pip_requirements=["xgboost"])
        model = mlflow.xgboost.load_model(self.path(name))
        thresholds = [] if outputs else thresholds_xgboost(model)
        self.finish(name, data, names, thresholds,
                    lambda r: model.predict(xgb.DMatrix(r, feature_types=how["feature_types"],
                                                        enable_categorical=how["enable_categorical"])), None)

    def xgb_wrapper(self, name, model, labels=None, kind="ubj", flavor="xgboost", named=True, stop=False, outputs=0,
                    groups=False, **args):
        data = self.data(**args)
        names = self.names_of(data, named)
        y = data.labels(labels) if labels else data.score
        if outputs:
            y = data.outputs(outputs)
        types = None
        if data.categories:
            types = ["c" if i == CATEGORY_COLUMN else "q" for i in range(data.x.shape[1])]
            model.set_params(enable_categorical=True, feature_types=types)
        model.set_params(n_jobs=1, random_state=1)
        x = pd.DataFrame(data.x, columns=names) if named else data.x
        fit = {"eval_set": [(x, data.rng.permutation(y))], "verbose": False} if stop else {}
        if groups:
            y, fit = data.labels([0, 1, 2]), {"group": [20] * (len(y) // 20)}
        model.fit(x, y, **fit)
        if flavor == "sklearn":
            model = self.save_sklearn(name, model, kind)
        else:
            mlflow.xgboost.save_model(model, self.path(name), model_format=kind, pip_requirements=["xgboost"])
            model = mlflow.xgboost.load_model(self.path(name))
        thresholds = [] if outputs else thresholds_xgboost(model)
        self.finish(name, data, names, thresholds, model.predict, model.predict_proba if labels else None)


def make_gradient_boosting(m):
    gbc, gbr = GradientBoostingClassifier, GradientBoostingRegressor
    for kind in ("p2", "p4", "p5", "cloudpickle", "skops"):
        m.sklearn(f"gbc-{kind}", gbc(n_estimators=9, random_state=1), labels=ABC, kind=kind)
        m.sklearn(f"gbr-{kind}", gbr(n_estimators=9, random_state=1), kind=kind)
    m.sklearn("gbc-2", gbc(n_estimators=15, random_state=1), labels=[0, 1])
    m.sklearn("gbc-bool", gbc(n_estimators=15, random_state=1), labels=[False, True], named=False)
    m.sklearn("gbc-exponential", gbc(loss="exponential", n_estimators=15, random_state=1), labels=["no", "yes"])
    m.sklearn("gbc-float", gbc(n_estimators=8, random_state=1), labels=[-1.0, 0.0, 2.0])
    m.sklearn("gbc-zero", gbc(init="zero", n_estimators=8, random_state=1), labels=[0, 1])
    m.sklearn("gbc-zero-3", gbc(init="zero", n_estimators=8, random_state=1), labels=ABC)
    m.sklearn("gbc-dummy", gbc(init=DummyClassifier(), n_estimators=8, random_state=1), labels=ABC)
    m.sklearn("gbc-stages", gbc(n_estimators=60, max_depth=2, subsample=0.5, random_state=1), labels=[0, 1])
    m.sklearn("gbc-leaves", gbc(n_estimators=6, max_leaf_nodes=33, max_depth=None, random_state=1), labels=[3, 7])
    m.sklearn("gbc-stop", gbc(n_estimators=50, n_iter_no_change=2, random_state=1), labels=[0, 1])
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        m.sklearn(f"gbr-{loss}", gbr(loss=loss, n_estimators=12, random_state=1))
    m.sklearn("gbr-zero", gbr(init="zero", n_estimators=12, random_state=1))
    m.sklearn("gbr-median", gbr(init=DummyRegressor(strategy="median"), n_estimators=12, random_state=1))
    m.sklearn("gbr-deep", gbr(n_estimators=5, max_depth=12, random_state=1), n=1500, ncols=9)
    m.sklearn("gbr-rate", gbr(n_estimators=12, learning_rate=0.37, random_state=1), ncols=1)


def make_histogram(m):
    def both(name, model, **args):
        m.sklearn(name, model, thresholds=hist_thresholds, **args)

    hgbc, hgbr = HistGradientBoostingClassifier, HistGradientBoostingRegressor
    for kind in ("p2", "p4", "p5", "cloudpickle", "skops"):
        both(f"hgbc-{kind}", hgbc(max_iter=8, random_state=1), labels=ABC, kind=kind)
        both(f"hgbr-{kind}", hgbr(max_iter=8, random_state=1), kind=kind)
    both("hgbc-2", hgbc(max_iter=15, random_state=1), labels=[0, 1])
    both("hgbc-2-missing", hgbc(max_iter=15, random_state=1), labels=["no", "yes"], missing=0.2)
    both("hgbc-5", hgbc(max_iter=6, random_state=1), labels=[1, 2, 3, 4, 5], missing=0.05)
    both("hgbc-unnamed", hgbc(max_iter=6, random_state=1), labels=[False, True], named=False)
    both("hgbc-deep", hgbc(max_iter=6, max_leaf_nodes=None, min_samples_leaf=1, random_state=1), labels=[0, 1], n=2000)
    for loss in ("squared_error", "absolute_error"):
        both(f"hgbr-{loss}", hgbr(loss=loss, max_iter=10, random_state=1), missing=0.1)
    both("hgbr-quantile", hgbr(loss="quantile", quantile=0.8, max_iter=10, random_state=1))
    for loss in ("poisson", "gamma"):
        both(f"hgbr-{loss}", hgbr(loss=loss, max_iter=10, random_state=1), positive=True, missing=0.1)
    for k, kind in ((3, "p4"), (30, "p2"), (200, "p5"), (12, "cloudpickle"), (40, "skops")):
        both(f"hgbr-categories{k}", hgbr(max_iter=10, categorical_features=[CATEGORY_COLUMN], random_state=1),
             categories=k, kind=kind, n=800)
    both("hgbc-categories", hgbc(max_iter=8, categorical_features=[CATEGORY_COLUMN], random_state=1), labels=ABC,
         categories=20, missing=0.1)
    both("hgbc-categories-unnamed", hgbc(max_iter=8, categorical_features=[0, CATEGORY_COLUMN], random_state=1),
         labels=[0, 1], categories=20, named=False)
    both("hgbr-stump", hgbr(max_iter=10, max_depth=1, random_state=1))
    both("hgbr-leaf", hgbr(max_iter=3, min_samples_leaf=400, random_state=1))
    both("hgbr-stop", hgbr(max_iter=40, early_stopping=True, n_iter_no_change=2, random_state=1))
    both("hgbr-wide", hgbr(max_iter=10, max_bins=16, random_state=1), ncols=60)


def make_forests(m):
    for outputs in (2, 3, 9):
        m.sklearn(f"rfr-outputs{outputs}", RandomForestRegressor(8, random_state=1), outputs=outputs)
    m.sklearn("etr-outputs", ExtraTreesRegressor(8, random_state=1), outputs=2, missing=0.1)
    m.sklearn("dtr-outputs", DecisionTreeRegressor(random_state=1), outputs=2)
    m.sklearn("dtr-outputs-skops", DecisionTreeRegressor(random_state=1), outputs=4, kind="skops")
    m.sklearn("extratree-outputs", ExtraTreeRegressor(random_state=1), outputs=2)

    def trees(model):
        return []

    for kind in ("p4", "skops"):
        m.sklearn(f"iforest-{kind}", IsolationForest(n_estimators=20, random_state=1), thresholds=trees, kind=kind)
    m.sklearn("iforest-features", IsolationForest(n_estimators=20, max_features=0.6, random_state=1), thresholds=trees)
    m.sklearn("iforest-samples", IsolationForest(n_estimators=20, max_samples=37, contamination=0.13, random_state=1),
              thresholds=trees)


def make_lightgbm(m):
    b = m.lgb_booster
    for objective in ("regression", "regression_l1", "huber", "fair", "quantile", "mape"):
        b(f"lgb-{objective}", {"objective": objective})
    for objective in ("poisson", "gamma", "tweedie"):
        b(f"lgb-{objective}", {"objective": objective}, positive=True)
    b("lgb-sqrt", {"objective": "regression", "reg_sqrt": True})
    b("lgb-sqrt-l1", {"objective": "regression_l1", "reg_sqrt": True})
    b("lgb-binary", {"objective": "binary"}, k=2)
    b("lgb-binary-sigmoid", {"objective": "binary", "sigmoid": 1.7}, k=2)
    b("lgb-binary-unbalanced", {"objective": "binary", "is_unbalance": True}, k=2, missing=0.1)
    b("lgb-multiclass", {"objective": "multiclass", "num_class": 3}, k=3)
    b("lgb-multiclass-9", {"objective": "multiclass", "num_class": 9}, k=9, missing=0.1)
    b("lgb-ova", {"objective": "multiclassova", "num_class": 3, "sigmoid": 0.8}, k=3)
    b("lgb-xentropy", {"objective": "cross_entropy"}, unit=True)
    b("lgb-xentlambda", {"objective": "cross_entropy_lambda"}, unit=True)
    b("lgb-lambdarank", {"objective": "lambdarank"}, k=3, groups=True)
    b("lgb-xendcg", {"objective": "rank_xendcg"}, k=3, groups=True)
    b("lgb-dart", {"objective": "regression", "boosting": "dart", "drop_rate": 0.5}, rounds=20)
    b("lgb-dart-multi", {"objective": "multiclass", "num_class": 3, "boosting": "dart"}, k=3, rounds=20)
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    b("lgb-rf", {"objective": "regression", **forest})
    b("lgb-rf-binary", {"objective": "binary", **forest}, k=2)
    b("lgb-rf-multi", {"objective": "multiclass", "num_class": 3, **forest}, k=3)
    b("lgb-goss", {"objective": "regression", "data_sample_strategy": "goss"})
    b("lgb-missing", {"objective": "regression"}, missing=0.2)
    b("lgb-zero-missing", {"objective": "regression", "zero_as_missing": True}, missing=0.1, zeros=0.2)
    b("lgb-zeros", {"objective": "regression"}, zeros=0.5)
    b("lgb-no-missing", {"objective": "regression", "use_missing": False}, missing=0.1)
    for k in (3, 9, 40, 200):
        b(f"lgb-categories{k}", {"objective": "regression"}, categories=k)
    b("lgb-categories-missing", {"objective": "binary"}, k=2, categories=20, missing=0.1)
    b("lgb-categories-zero", {"objective": "regression", "zero_as_missing": True}, categories=12, zeros=0.1)
    b("lgb-categories-multi", {"objective": "multiclass", "num_class": 3}, k=3, categories=70, n=1500)
    b("lgb-leaves", {"objective": "regression", "num_leaves": 200, "min_data_in_leaf": 1}, n=3000, ncols=12)
    b("lgb-stump", {"objective": "regression", "num_leaves": 2})
    b("lgb-one-leaf", {"objective": "regression", "min_data_in_leaf": 400})
    b("lgb-wide", {"objective": "regression"}, ncols=300)
    b("lgb-one-feature", {"objective": "regression"}, ncols=1)
    b("lgb-unnamed", {"objective": "regression"}, named=False)
    b("lgb-rounds", {"objective": "binary", "max_depth": 3}, k=2, rounds=150)
    b("lgb-monotone", {"objective": "regression", "monotone_constraints": [1, 0, 0, 0, -1]})
    b("lgb-extra", {"objective": "regression", "extra_trees": True, "path_smooth": 2.0})
    w = m.lgb_wrapper
    for kind in ("cloudpickle", "skops"):
        w(f"lgbmc-{kind}", lgb.LGBMClassifier(n_estimators=9), labels=ABC, kind=kind)
        w(f"lgbmr-{kind}", lgb.LGBMRegressor(n_estimators=9), kind=kind)
        w(f"lgbmc-2-{kind}", lgb.LGBMClassifier(n_estimators=9), labels=["no", "yes"], kind=kind, missing=0.1)
    for kind in ("p2", "p4", "p5", "skops"):
        w(f"lgbmc-sk-{kind}", lgb.LGBMClassifier(n_estimators=9), labels=[4, 5, 9], kind=kind, flavor="sklearn")
    w("lgbmc-stop", lgb.LGBMClassifier(n_estimators=50), labels=[0, 1], stop=True)
    w("lgbmc-stop-3", lgb.LGBMClassifier(n_estimators=50), labels=ABC, stop=True, flavor="sklearn", kind="p4")
    w("lgbmr-stop", lgb.LGBMRegressor(n_estimators=50), stop=True)
    w("lgbmc-categories", lgb.LGBMClassifier(n_estimators=9), labels=[False, True], categories=30)
    w("lgbmc-float", lgb.LGBMClassifier(n_estimators=9), labels=[1.0, 2.0, 5.0], named=False)
    w("lgbmc-ova", lgb.LGBMClassifier(n_estimators=9, objective="multiclassova"), labels=ABC)
    w("lgbmc-dart", lgb.LGBMClassifier(n_estimators=15, boosting_type="dart"), labels=ABC)
    w("lgbmc-rf", lgb.LGBMClassifier(n_estimators=9, boosting_type="rf", subsample=0.5, subsample_freq=1), labels=ABC)
    w("lgbmr-poisson", lgb.LGBMRegressor(n_estimators=9, objective="quantile", alpha=0.3))
    w("lgbmrank", lgb.LGBMRanker(n_estimators=9), groups=True)


def make_xgboost(m):
    b = m.xgb_booster
    for k in (3, 9, 40):
        b(f"xgb-categories{k}", {"tree_method": "hist"}, categories=k)
        b(f"xgb-onehot{k}", {"tree_method": "hist", "max_cat_to_onehot": 100}, categories=k, kind="json")
    b("xgb-categories-binary", {"objective": "binary:logistic"}, k=2, categories=20, missing=0.1)
    b("xgb-categories-multi", {"objective": "multi:softprob", "num_class": 3}, k=3, categories=33)
    b("xgb-outputs", {"tree_method": "hist"}, outputs=3)
    for kind in ("ubj", "json"):
        b(f"xgb-vector-{kind}", {"tree_method": "hist", "multi_strategy": "multi_output_tree"}, outputs=3, kind=kind)
    b("xgb-vector-missing", {"tree_method": "hist", "multi_strategy": "multi_output_tree"}, outputs=2, missing=0.2)
    b("xgb-vector-one-leaf", {"tree_method": "hist", "multi_strategy": "multi_output_tree", "max_depth": 1,
                              "min_child_weight": 1e6}, outputs=2, rounds=3)
    b("xgb-parallel-vector", {"tree_method": "hist", "num_parallel_tree": 3}, outputs=2)
    b("xgb-dart-multi", {"booster": "dart", "rate_drop": 0.4, "objective": "multi:softprob", "num_class": 3}, k=3,
      rounds=15)
    b("xgb-dart-weighted", {"booster": "dart", "rate_drop": 0.5, "normalize_type": "forest",
                            "sample_type": "weighted"}, rounds=15, kind="json")
    w = m.xgb_wrapper
    for kind in ("p2", "p4", "p5", "cloudpickle", "skops"):
        w(f"xgbc-sk-{kind}", xgb.XGBClassifier(n_estimators=9, max_depth=4), labels=[0, 1, 2], kind=kind,
          flavor="sklearn")
        w(f"xgbr-sk-{kind}", xgb.XGBRegressor(n_estimators=9, max_depth=4), kind=kind, flavor="sklearn")
    w("xgbc-sk-2", xgb.XGBClassifier(n_estimators=9), labels=[0, 1], kind="p4", flavor="sklearn", missing=0.1)
    w("xgbc-sk-stop", xgb.XGBClassifier(n_estimators=50, early_stopping_rounds=2), labels=[0, 1, 2], kind="p4",
      flavor="sklearn", stop=True)
    w("xgbr-sk-stop", xgb.XGBRegressor(n_estimators=50, early_stopping_rounds=2), kind="skops", flavor="sklearn",
      stop=True)
    w("xgbrfc-sk", xgb.XGBRFClassifier(n_estimators=9), labels=[0, 1, 2], kind="p4", flavor="sklearn")
    w("xgbrfr-sk", xgb.XGBRFRegressor(n_estimators=9), kind="skops", flavor="sklearn")
    w("xgbrank-sk", xgb.XGBRanker(n_estimators=9), kind="p4", flavor="sklearn", groups=True)
    w("xgbr-missing-sk", xgb.XGBRegressor(n_estimators=9, missing=0.0), kind="p4", flavor="sklearn", zeros=0.2)
    w("xgbr-missing-999-sk", xgb.XGBRegressor(n_estimators=9, missing=-999.0), kind="skops", flavor="sklearn")
    w("xgbc-categories", xgb.XGBClassifier(n_estimators=9), labels=[0, 1], categories=25)
    w("xgbc-categories-sk", xgb.XGBClassifier(n_estimators=9), labels=[0, 1], categories=25, kind="p4",
      flavor="sklearn")
    w("xgbr-outputs", xgb.XGBRegressor(n_estimators=9), outputs=2)
    w("xgbr-vector", xgb.XGBRegressor(n_estimators=9, multi_strategy="multi_output_tree"), outputs=2)
    w("xgbr-vector-sk", xgb.XGBRegressor(n_estimators=9, multi_strategy="multi_output_tree"), outputs=2, kind="p4",
      flavor="sklearn")
    for flavor, kind in (("xgboost", "ubj"), ("sklearn", "p4")):
        w(f"xgbc-dart-{flavor}", xgb.XGBClassifier(n_estimators=15, booster="dart", rate_drop=0.4, base_score=0.3),
          labels=[0, 1], flavor=flavor, kind=kind)
        w(f"xgbc-dart-3-{flavor}", xgb.XGBClassifier(n_estimators=15, booster="dart", rate_drop=0.4),
          labels=[0, 1, 2], flavor=flavor, kind=kind)
    w("xgbr-dart-sk", xgb.XGBRegressor(n_estimators=15, booster="dart", rate_drop=0.4), kind="p4", flavor="sklearn")
    w("xgbr-quantiles", xgb.XGBRegressor(n_estimators=9, objective="reg:quantileerror",
                                         quantile_alpha=[0.2, 0.5, 0.8]))


def make_pipelines(m):
    """At the end of a pipeline, behind a step whose bits are known."""

    def pipe(name, last, labels=None, kind="p4"):
        m.sklearn(name, make_pipeline(StandardScaler(), last), thresholds=lambda model: [], labels=labels, kind=kind)

    pipe("pipe-gbr", GradientBoostingRegressor(n_estimators=8, random_state=1))
    pipe("pipe-gbc", GradientBoostingClassifier(n_estimators=8, random_state=1), labels=ABC, kind="skops")
    pipe("pipe-hgbr", HistGradientBoostingRegressor(max_iter=8, random_state=1))
    pipe("pipe-lgbmr", lgb.LGBMRegressor(n_estimators=8, verbose=-1, n_jobs=1))
    pipe("pipe-lgbmc", lgb.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1), labels=["no", "yes"])
    pipe("pipe-xgbr", xgb.XGBRegressor(n_estimators=8, n_jobs=1))
    pipe("pipe-xgbc", xgb.XGBClassifier(n_estimators=8, n_jobs=1), labels=[0, 1, 2], kind="skops")


# ---- random parameters ----


def random_sklearn(m, name, rng):
    def pick(*values):
        return values[rng.randint(len(values))]

    labels = pick(None, [0, 1], ABC, [1, 2, 3, 4])
    trees, depth = int(rng.randint(1, 20)), int(rng.randint(1, 9))
    shape = {"n": int(pick(60, 200, 600)), "ncols": int(pick(1, 3, 8, 40)), "kind": pick("p2", "p4", "skops"),
             "named": bool(pick(True, False)), "labels": labels}
    if rng.randint(2):
        kind = GradientBoostingClassifier if labels else GradientBoostingRegressor
        m.sklearn(name, kind(n_estimators=trees, max_depth=depth, learning_rate=float(pick(0.05, 0.3, 1.0)),
                             random_state=1), **shape)
    else:
        kind = HistGradientBoostingClassifier if labels else HistGradientBoostingRegressor
        m.sklearn(name, kind(max_iter=trees, max_depth=depth, max_bins=int(pick(3, 16, 255)), min_samples_leaf=2,
                             random_state=1), thresholds=hist_thresholds, missing=float(pick(0, 0.2)), **shape)


def random_shape(rng):
    def pick(*values):
        return values[rng.randint(len(values))]

    categories = int(pick(0, 0, 5, 33, 120))
    return {"n": int(pick(60, 200, 1000)), "ncols": int(pick(3, 5, 12, 80)), "missing": float(pick(0, 0.1)),
            "zeros": float(pick(0, 0.3)), "categories": categories, "named": bool(pick(True, False))}


def random_lightgbm(m, name, rng):
    def pick(*values):
        return values[rng.randint(len(values))]

    objective, k = pick(("regression", 0), ("regression_l1", 0), ("poisson", 0), ("binary", 2), ("multiclass", 3),
                        ("multiclass", 10), ("multiclassova", 4))
    params = {"objective": objective, "num_leaves": int(pick(2, 5, 31, 90)), "min_data_in_leaf": int(pick(1, 10)),
              "boosting": pick("gbdt", "gbdt", "dart"), "max_bin": int(pick(7, 255)),
              "zero_as_missing": bool(pick(False, True)), "use_missing": bool(pick(True, True, False)),
              "max_cat_to_onehot": int(pick(1, 4, 500)), "lambda_l2": float(pick(0, 3.5))}
    if k > 2:
        params["num_class"] = k
    m.lgb_booster(name, params, k=k, positive=objective == "poisson", rounds=int(pick(1, 6, 40)), **random_shape(rng))


def random_xgboost(m, name, rng):
    def pick(*values):
        return values[rng.randint(len(values))]

    objective, k = pick(("reg:squarederror", 0), ("count:poisson", 0), ("binary:logistic", 2), ("multi:softprob", 3),
                        ("multi:softmax", 5), ("binary:hinge", 2), ("reg:gamma", 0))
    params = {"objective": objective, "max_depth": int(pick(1, 3, 8)), "tree_method": "hist",
              "grow_policy": pick("depthwise", "lossguide"), "max_bin": int(pick(7, 256)),
              "booster": pick("gbtree", "gbtree", "dart"), "rate_drop": float(pick(0.2, 0.6)),
              "num_parallel_tree": int(pick(1, 1, 3)), "max_cat_to_onehot": int(pick(1, 4, 500))}
    if k > 2:
        params["num_class"] = k
    m.xgb_booster(name, params, k=k, positive=objective in ("count:poisson", "reg:gamma"), rounds=int(pick(1, 6, 30)),
                  kind=pick("ubj", "json"), **random_shape(rng))


def make_random(m, count):
    for i in range(count):
        rng = np.random.RandomState(50000 + i)
        make_one = (random_lightgbm, random_xgboost, random_sklearn)[i % 3]
        make_one(m, f"random-{i}", rng)


FAMILIES = [make_gradient_boosting, make_histogram, make_forests, make_lightgbm, make_xgboost,
            make_pipelines]


def main():
    """Made beside the folder and renamed whole: of several at once the first one stays."""
    target, count = sys.argv[1], int(sys.argv[2])
    work = f"{target}.{os.getpid()}"
    os.makedirs(work)
    m = Maker(work)
    for family in FAMILIES:
        family(m)
    make_random(m, count)
    with open(os.path.join(work, "list.json"), "w") as f:
        json.dump(m.names, f)
    if not os.path.exists(os.path.join(target, "list.json")):
        os.rename(work, target)
    else:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
