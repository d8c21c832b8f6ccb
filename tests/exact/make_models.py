#!/usr/bin/env python3
"""Makes the models of the exactness suite, rows to predict, and what the libraries answer.

    make_models.py DIR      DIR/NAME/model (an MLflow model), rows.f64, expect.txt; DIR/list.json

Everything is seeded. expect.txt has one line per row in predict_tool's format: the prediction (hex
floats, or a label's text), after " | " the probabilities of classifiers, or "error".
"""

import copyreg
import io
import json
import os
import pickle
import shutil
import sys
import warnings

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", GIT_PYTHON_REFRESH="quiet", OMP_NUM_THREADS="1")
warnings.filterwarnings("ignore")

import logging  # noqa: E402

import mlflow.sklearn  # noqa: E402
import mlflow.xgboost  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import xgboost as xgb  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.base import BaseEstimator  # noqa: E402
from sklearn.tree import (  # noqa: E402
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

logging.getLogger("mlflow").setLevel(logging.ERROR)
TRUSTED = ["sklearn.tree._tree.Tree", "numpy.dtype"]
ROWS = 120


def data(seed, n, ncols, missing=0.0):
    rng = np.random.RandomState(seed)
    x = rng.randn(n, ncols) * 10.0 ** rng.randint(-2, 3, ncols)
    x[:, 0] = np.round(x[:, 0])
    score = np.nan_to_num(x / (np.abs(x).mean(axis=0) + 1e-9)).sum(axis=1) + 0.3 * rng.randn(n)
    x[rng.rand(n, ncols) < missing] = np.nan
    return rng, x, score


def classes(score, labels):
    edges = np.quantile(score, np.linspace(0, 1, len(labels) + 1)[1:-1])
    return np.array(labels)[np.digitize(score, edges)]


def thresholds_sklearn(model):
    trees = [t.tree_ for t in getattr(model, "estimators_", [model])]
    return [(f, t) for tree in trees for f, t in zip(tree.feature, tree.threshold) if f >= 0]


def thresholds_xgboost(model):
    booster = model if isinstance(model, xgb.Booster) else model.get_booster()
    doc = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    trees = doc.get("gbtree", doc)["model"]["trees"]
    return [
        (f, float(np.float32(t)))
        for tree in trees
        for f, t, left in zip(tree["split_indices"], tree["split_conditions"], tree["left_children"])
        if left >= 0
    ]


def edge_rows(rng, base, thresholds):
    """Exact thresholds and their neighbours, zeros, denormals, huge values, NaN, infinities."""
    rows = []

    def with_value(col, value):
        row = base[rng.randint(len(base))].copy()
        row[col] = value
        rows.append(row)

    for k in rng.permutation(len(thresholds))[:16]:
        col, t = thresholds[k]
        f = np.float32(t)
        for value in (t, np.nextafter(t, -np.inf), np.nextafter(t, np.inf), f,
                      np.nextafter(f, np.float32(-np.inf)), np.nextafter(f, np.float32(np.inf))):
            with_value(col, float(value))
    specials = [0.0, -0.0, 5e-324, -1e-45, 1e-39, 1.1754944e-38, 3.4028234e38, -3.4028234e38, 1e30,
                3.4028235677973366e38, 1e39, -1e39, 1e300, np.nan, np.inf, -np.inf, 2.0**53 + 1, 0.1]
    for value in specials:
        with_value(rng.randint(base.shape[1]), value)
        rows.append(np.full(base.shape[1], value))
    for col in range(min(base.shape[1], 6)):
        with_value(col, np.nan)
    return np.array(rows)


def text(value):
    if isinstance(value, (str, np.str_)):
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    return chex(float(value))


def chex(v):
    """C's %a: "0x1.8p+3", where Python's hex pads the mantissa."""
    if v != v:
        return "nan" if np.signbit(v) == 0 else "-nan"
    if v in (float("inf"), float("-inf")):
        return "inf" if v > 0 else "-inf"
    sign, rest = ("-", v.hex()[1:]) if v.hex()[0] == "-" else ("", v.hex())
    mantissa, exponent = rest.split("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{sign}{mantissa}p{exponent}"


def lines(predict, proba, x):
    """Rows together; when the library refuses, one by one."""
    try:
        pred = np.asarray(predict(x))
        prob = proba(x) if proba else None
    except Exception:
        if len(x) == 1:
            return ["error"]
        return [line for i in range(len(x)) for line in lines(predict, proba, x[i:i + 1])]
    out = []
    for i in range(len(x)):
        line = " ".join(text(v) for v in np.atleast_1d(pred[i]))
        if prob is not None:
            line += " | " + " ".join(chex(float(v)) for v in prob[i])
        out.append(line)
    return out


class OldPickler(pickle.Pickler):
    """Writes trees as earlier versions of scikit-learn did: nodes without missing_go_to_left (before 1.3), class
    counts instead of fractions (before 1.4), index fields of 32 bits or the other byte order (other platforms)."""

    def __init__(self, file, protocol, version, index):
        super().__init__(file, protocol)
        self.version, self.index = version, index

    def reducer_override(self, obj):
        if type(obj).__name__ == "Tree":
            build, args, state = obj.__reduce__()
            order = self.index[0]
            kinds = {"left_child": self.index, "right_child": self.index, "feature": self.index,
                     "threshold": order + "f8", "impurity": order + "f8", "n_node_samples": self.index,
                     "weighted_n_node_samples": order + "f8"}
            nodes = np.zeros(state["node_count"], dtype=list(kinds.items()))
            for field in kinds:
                nodes[field] = state["nodes"][field]
            counts = old_values(obj)
            return build, args, {**state, "nodes": nodes, "values": counts}
        if isinstance(obj, BaseEstimator):
            return copyreg.__newobj__, (type(obj),), {**obj.__getstate__(), "_sklearn_version": self.version}
        return NotImplemented


def old_values(tree):
    if tree.max_n_classes == 1:
        return tree.value
    return tree.value * tree.weighted_n_node_samples[:, None, None]


def old_predict_proba(trees, x):
    """scikit-learn 1.2: DecisionTreeClassifier.predict_proba, summed by ForestClassifier.predict_proba."""
    total = np.zeros((len(x), trees[0].n_classes_))
    for tree in trees:
        proba = old_values(tree.tree_)[tree.apply(x), 0, :]
        normalizer = proba.sum(axis=1)[:, np.newaxis]
        normalizer[normalizer == 0.0] = 1.0
        total += proba / normalizer
    return total / len(trees)


class Maker:
    def __init__(self, root):
        self.root = root
        self.names = []

    def finish(self, name, rng, x, names, thresholds, predict, proba):
        folder = os.path.join(self.root, name)
        base = x[rng.permutation(len(x))[:ROWS]]
        base = np.resize(base, (ROWS, x.shape[1])) + rng.randn(ROWS, x.shape[1]) * 1e-3
        edges = edge_rows(rng, base, thresholds)
        frame = (lambda r: pd.DataFrame(r, columns=names)) if names else (lambda r: r)
        expect = lines(lambda r: predict(frame(r)), proba and (lambda r: proba(frame(r))), base)
        for row in edges:
            expect += lines(lambda r: predict(frame(r)), proba and (lambda r: proba(frame(r))), row[None])
        np.vstack([base, edges]).astype("<f8").tofile(os.path.join(folder, "rows.f64"))
        with open(os.path.join(folder, "expect.txt"), "w") as f:
            f.write("\n".join(expect) + "\n")
        self.names.append({"name": name, "ncols": x.shape[1], "rows": len(expect)})

    def sklearn(self, name, model, y=None, kind="cloudpickle", n=400, ncols=5, missing=0.0, named=True,
                labels=None, weights=False, constant=False):
        rng, x, score = data(len(self.names) + 1, n, ncols, missing)
        y = np.zeros(n) if constant else (classes(score, labels) if labels else score)
        names = [f"col {i}" for i in range(ncols)] if named else None
        fit = {"sample_weight": rng.rand(n) + 0.1} if weights else {}
        model.fit(pd.DataFrame(x, columns=names) if named else x, y, **fit)
        path = os.path.join(self.root, name, "model")
        how = kind if kind in ("skops", "cloudpickle") else "pickle"
        mlflow.sklearn.save_model(model, path, serialization_format=how, pip_requirements=["scikit-learn"],
                                  skops_trusted_types=TRUSTED if how == "skops" else None)
        if kind.startswith("p") and kind[1:].isdigit():
            with open(os.path.join(path, "model.pkl"), "wb") as f:
                pickle.dump(model, f, protocol=int(kind[1:]))
        model = mlflow.sklearn.load_model(path)
        proba = model.predict_proba if labels else None
        self.finish(name, rng, x, names, thresholds_sklearn(model), model.predict, proba)

    def old_sklearn(self, name, model, labels, index="<i8", protocol=2, version="1.2.2", old_numpy=True):
        """A classifier as an earlier version pickled it; what it answered is computed by that version's formulas."""
        rng, x, score = data(len(self.names) + 1, 400, 5)
        model.fit(x, classes(score, labels))
        path = os.path.join(self.root, name, "model")
        mlflow.sklearn.save_model(model, path, serialization_format="pickle", pip_requirements=["scikit-learn"])
        out = io.BytesIO()
        OldPickler(out, protocol, version, index).dump(model)
        text = out.getvalue()
        if old_numpy:  # protocols up to 3 spell names as lines
            text = text.replace(b"cnumpy._core.", b"cnumpy.core.")
        with open(os.path.join(path, "model.pkl"), "wb") as f:
            f.write(text)

        def proba(r):
            if not np.isfinite(np.float32(r)).all():
                raise ValueError("NaN and infinity: before 1.3 trees took none")
            return old_predict_proba(getattr(model, "estimators_", [model]), r)

        self.finish(name, rng, x, None, thresholds_sklearn(model),
                    lambda r: model.classes_.take(np.argmax(proba(r), axis=1)), proba)

    def save_xgboost(self, name, model, kind):
        path = os.path.join(self.root, name, "model")
        mlflow.xgboost.save_model(model, path, model_format=kind, pip_requirements=["xgboost"])
        return mlflow.xgboost.load_model(path)

    def booster(self, name, params, rounds=12, kind="ubj", n=400, ncols=5, missing=0.0, named=True,
                k=0, positive=False, groups=False):
        rng, x, score = data(len(self.names) + 1, n, ncols, missing)
        y = classes(score, list(range(k))) if k else np.exp(score / 4) if positive else score
        names = [f"col_{i}" for i in range(ncols)] if named else None
        train = xgb.DMatrix(x, label=y, feature_names=names)
        if groups:
            train.set_group([20] * (n // 20))
        params = {"seed": 1, "nthread": 1, "max_depth": 4, **params}
        model = self.save_xgboost(name, xgb.train(params, train, rounds), kind)

        def predict(r):
            return model.predict(xgb.DMatrix(r))

        self.finish(name, rng, x, names, thresholds_xgboost(model), predict, None)

    def wrapper(self, name, model, kind="ubj", n=400, ncols=5, missing=0.0, named=True, k=0, stop=False,
                groups=False):
        rng, x, score = data(len(self.names) + 1, n, ncols, missing)
        y = classes(score, list(range(k))) if k else score
        names = [f"col_{i}" for i in range(ncols)] if named else None
        frame = pd.DataFrame(x, columns=names) if named else x
        fit = {"eval_set": [(frame, rng.permutation(y))], "verbose": False} if stop else {}
        if groups:
            y = classes(score, [0, 1, 2])
            fit["group"] = [20] * (n // 20)
        model.set_params(n_jobs=1, random_state=1)
        model.fit(frame, y, **fit)
        model = self.save_xgboost(name, model, kind)
        proba = model.predict_proba if k else None
        self.finish(name, rng, x, names, thresholds_xgboost(model), model.predict, proba)


def make_sklearn(m):
    abc, two = ["setosa", "virginica", "ver sicolor"], [0, 1]
    for kind in ["p0", "p1", "p2", "p3", "p4", "p5", "cloudpickle", "skops"]:
        m.sklearn(f"rfc-{kind}", RandomForestClassifier(9, random_state=1), labels=abc, kind=kind)
        m.sklearn(f"rfr-{kind}", RandomForestRegressor(7, random_state=1), kind=kind)
        m.sklearn(f"dtc-{kind}", DecisionTreeClassifier(random_state=1), labels=two, kind=kind)
    for trees in (1, 2, 8, 17, 100):
        m.sklearn(f"rfc-trees{trees}", RandomForestClassifier(trees, random_state=1), labels=two)
        m.sklearn(f"etr-trees{trees}", ExtraTreesRegressor(trees, random_state=1))
    for k in (2, 3, 8, 9, 17):
        m.sklearn(f"rfc-classes{k}", RandomForestClassifier(10, random_state=1), labels=list(range(5, 5 + k)))
    m.sklearn("rfc-deep", RandomForestClassifier(40, random_state=1), labels=abc, n=4000, ncols=12)
    m.sklearn("rfr-deep", RandomForestRegressor(40, random_state=1), n=4000, ncols=12)
    m.sklearn("rfc-wide", RandomForestClassifier(10, random_state=1), labels=two, ncols=300)
    m.sklearn("rfc-onefeature", RandomForestClassifier(10, random_state=1), labels=two, ncols=1)
    m.sklearn("rfc-unnamed", RandomForestClassifier(10, random_state=1), labels=two, named=False)
    m.sklearn("rfc-bool", RandomForestClassifier(10, random_state=1), labels=[False, True])
    m.sklearn("rfc-float", RandomForestClassifier(10, random_state=1), labels=[-1.0, 0.0, 2.0])
    m.sklearn("rfc-negative", RandomForestClassifier(10, random_state=1), labels=[-7, 1, 3])
    m.sklearn("rfc-balanced", RandomForestClassifier(10, class_weight="balanced_subsample", random_state=1), labels=abc)
    m.sklearn("rfc-weights", RandomForestClassifier(10, random_state=1), labels=abc, weights=True)
    m.sklearn("rfc-missing", RandomForestClassifier(20, random_state=1), labels=abc, missing=0.2)
    m.sklearn("rfr-missing-skops", RandomForestRegressor(20, random_state=1), missing=0.2, kind="skops")
    m.sklearn("etc-missing", ExtraTreesClassifier(20, random_state=1), labels=two, missing=0.2)
    m.sklearn("dtr-missing", DecisionTreeRegressor(random_state=1), missing=0.3)
    m.sklearn("etc", ExtraTreesClassifier(11, random_state=1), labels=abc)
    m.sklearn("etr-skops", ExtraTreesRegressor(11, random_state=1), kind="skops")
    m.sklearn("extratree-c", ExtraTreeClassifier(random_state=1), labels=abc)
    m.sklearn("extratree-r", ExtraTreeRegressor(random_state=1))
    m.sklearn("extratree-best", ExtraTreeRegressor(splitter="best", random_state=1))
    m.sklearn("dtr-poisson", DecisionTreeRegressor(criterion="absolute_error", random_state=1))
    m.sklearn("dtr-leaf", DecisionTreeRegressor(), constant=True)
    m.sklearn("rfr-leaf", RandomForestRegressor(3), constant=True)
    m.sklearn("dtr-stump", DecisionTreeRegressor(max_depth=1, random_state=1))
    m.sklearn("dtc-leaves", DecisionTreeClassifier(max_leaf_nodes=33, random_state=1), labels=abc)
    m.sklearn("dtc-random", DecisionTreeClassifier(splitter="random", random_state=1), labels=abc, missing=0.1)
    m.sklearn("rfr-monotonic", RandomForestRegressor(5, monotonic_cst=[1, 0, 0, 0, -1], random_state=1))


def make_old_sklearn(m):
    abc = ["a", "b", "c"]
    m.old_sklearn("old-dtc", DecisionTreeClassifier(max_depth=4, random_state=1), abc)
    m.old_sklearn("old-rfc-2", RandomForestClassifier(9, max_depth=5, random_state=1), [0, 1], protocol=3)
    m.old_sklearn("old-rfc-12", RandomForestClassifier(9, max_depth=4, random_state=1), list(range(12)))
    m.old_sklearn("old-rfc-int32", RandomForestClassifier(5, random_state=1), abc, index="<i4", protocol=0)
    m.old_sklearn("old-rfc-big-endian", RandomForestClassifier(5, random_state=1), abc, index=">i8", protocol=4,
                  old_numpy=False)
    m.old_sklearn("old-etc-0.24", ExtraTreesClassifier(5, max_depth=6, random_state=1), list(range(9)),
                  version="0.24.2", protocol=1)


def make_xgboost(m):
    for kind in ("ubj", "json"):
        for objective in ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:squaredlogerror",
                          "count:poisson", "reg:gamma", "reg:tweedie"):
            m.booster(f"xgb-{objective.replace(':', '-')}-{kind}", {"objective": objective}, kind=kind, positive=True)
        for objective in ("binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic", "rank:ndcg"):
            m.booster(f"xgb-{objective.replace(':', '-')}-{kind}", {"objective": objective}, kind=kind, k=2,
                      groups=objective.startswith("rank"))
        for objective in ("multi:softprob", "multi:softmax"):
            m.booster(f"xgb-{objective.replace(':', '-')}-{kind}", {"objective": objective, "num_class": 4}, kind=kind,
                      k=4)
        m.booster(f"xgb-dart-{kind}", {"booster": "dart", "rate_drop": 0.3, "objective": "binary:logistic"}, kind=kind,
                  k=2, rounds=25)
        m.booster(f"xgb-missing-{kind}", {"objective": "reg:squarederror"}, kind=kind, missing=0.3)
    m.booster("xgb-xgb-format", {"objective": "binary:logistic"}, kind="xgb", k=2)
    m.booster("xgb-quantile", {"objective": "reg:quantileerror", "quantile_alpha": 0.8})
    m.booster("xgb-rank-pairwise", {"objective": "rank:pairwise"}, k=3, groups=True)
    m.booster("xgb-base-score", {"objective": "binary:logistic", "base_score": 0.123}, k=2)
    m.booster("xgb-parallel", {"objective": "binary:logistic", "num_parallel_tree": 4, "subsample": 0.5}, k=2)
    m.booster("xgb-dart-multi", {"booster": "dart", "rate_drop": 0.5, "objective": "multi:softprob", "num_class": 3},
              k=3, missing=0.1)
    m.booster("xgb-dart-regression", {"booster": "dart", "rate_drop": 0.5, "base_score": 3.3}, rounds=20)
    m.booster("xgb-exact", {"tree_method": "exact", "max_depth": 7}, rounds=30, missing=0.1)
    m.booster("xgb-lossguide", {"grow_policy": "lossguide", "max_leaves": 31, "max_depth": 0}, rounds=30, n=2000)
    m.booster("xgb-deep", {"max_depth": 9}, rounds=60, n=3000, ncols=20)
    m.booster("xgb-many-trees", {"max_depth": 2, "objective": "binary:logistic"}, rounds=300, k=2)
    m.booster("xgb-unnamed", {"objective": "binary:logistic"}, k=2, named=False)
    m.booster("xgb-norounds", {"objective": "binary:logistic", "base_score": 0.3}, k=2, rounds=0)
    m.booster("xgb-prune", {"gamma": 3.0, "tree_method": "exact"}, rounds=20)
    m.booster("xgb-wide", {}, ncols=300)
    m.wrapper("xgbc-2", xgb.XGBClassifier(n_estimators=15, max_depth=4), k=2)
    m.wrapper("xgbc-2-json", xgb.XGBClassifier(n_estimators=15, max_depth=4), k=2, kind="json", missing=0.2)
    m.wrapper("xgbc-5", xgb.XGBClassifier(n_estimators=15, max_depth=3), k=5)
    m.wrapper("xgbc-stop", xgb.XGBClassifier(n_estimators=50, max_depth=3, early_stopping_rounds=3), k=2, stop=True)
    m.wrapper("xgbc-stop-3", xgb.XGBClassifier(n_estimators=50, max_depth=3, early_stopping_rounds=3), k=3, stop=True)
    m.wrapper("xgbc-dart", xgb.XGBClassifier(n_estimators=15, booster="dart", rate_drop=0.3), k=2)
    m.wrapper("xgbr", xgb.XGBRegressor(n_estimators=25), missing=0.1)
    m.wrapper("xgbr-stop", xgb.XGBRegressor(n_estimators=50, early_stopping_rounds=2), stop=True)
    m.wrapper("xgbr-unnamed", xgb.XGBRegressor(n_estimators=15), named=False)
    m.wrapper("xgbrfc", xgb.XGBRFClassifier(n_estimators=12, max_depth=4), k=3)
    m.wrapper("xgbrfr", xgb.XGBRFRegressor(n_estimators=12, max_depth=4))
    m.wrapper("xgbranker", xgb.XGBRanker(n_estimators=12, max_depth=4), groups=True)


def main():
    target = sys.argv[1]
    work = target + ".making"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    maker = Maker(work)
    make_sklearn(maker)
    make_old_sklearn(maker)
    make_xgboost(maker)
    with open(os.path.join(work, "list.json"), "w") as f:
        json.dump(maker.names, f)
    shutil.rmtree(target, ignore_errors=True)
    os.rename(work, target)


if __name__ == "__main__":
    main()
