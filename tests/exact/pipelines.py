#!/usr/bin/env python3
"""Makes pipelines and linear models of the exactness suite, requests, and what scikit-learn answers.

    pipelines.py DIR COUNT      DIR/NAME/model (an MLflow model), request.txt, expect.json; DIR/list.json

Everything is seeded. A request is typed columns as sibyl's worker gets them, and the frame that
scikit-learn sees is built by the worker's own code. Each row is predicted alone, and all rows that
are accepted again in one call: pandas gives a text column without any text another type, so the
two may differ.

What ends in a BLAS has no exact reference: every number comes with how far it may be off, 4 n eps
sum|x w| (n: terms of the sum), propagated through exp, plus 2 ulp; labels are compared where the
scores are further apart than that.
"""

import copyreg
import io
import json
import os
import pathlib
import pickle
import shutil
import sys
import warnings

os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "python")]

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import skops.io  # noqa: E402
import sibyl_worker as worker  # noqa: E402
import sklearn.linear_model as lm  # noqa: E402
from make_models import TRUSTED, chex, text  # noqa: E402
from sklearn.base import BaseEstimator, is_classifier  # noqa: E402
from sklearn.compose import ColumnTransformer, make_column_selector  # noqa: E402
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier  # noqa: E402
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.pipeline import Pipeline  # noqa: E402
from sklearn.preprocessing import (  # noqa: E402
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC, LinearSVR  # noqa: E402
from sklearn.tree import DecisionTreeClassifier  # noqa: E402

worker.np, worker.pd = np, pd
TYPES = {"b": worker.BOOL, "i": worker.INT32, "l": worker.INT64, "f": worker.FLOAT32, "d": worker.FLOAT64,
         "s": worker.STRING}
EPS = np.finfo(float).eps
TRUST = [*TRUSTED, "collections.OrderedDict", "sklearn.linear_model._sgd_fast.Hinge",
         "sklearn.linear_model._sgd_fast.Log", "sklearn.linear_model._sgd_fast.ModifiedHuber"]
COLORS = ["red", "green", "blue", "Grün", "", "very long category name with spaces", "1", "1.0", "nan", "None"]


# ---- requests ----


class Request:
    """Typed columns: name, type letter, values (None = null)."""

    def __init__(self, columns):
        self.columns = columns
        self.nrows = len(columns[0][2])

    def take(self, rows):
        return Request([(n, t, [v[r] for r in rows]) for n, t, v in self.columns])

    def with_cell(self, row, col, value):
        return Request([(n, t, [value if (c == col) else v[row]]) for c, (n, t, v) in enumerate(self.columns)])

    def plus(self, other):
        return Request([(n, t, v + w) for (n, t, v), (_, _, w) in zip(self.columns, other.columns)])

    def frame(self, named):
        inputs = worker.Inputs.__new__(worker.Inputs)
        inputs.schema, inputs.hinted, inputs.tensors, inputs.indexes = None, False, {}, {}
        out = []
        for i, (name, kind, values) in enumerate(self.columns):
            c = worker.Column()
            c.name, c.type, c.width = name, TYPES[kind], 1
            nulls = [v is None for v in values]
            c.null = np.array(nulls) if any(nulls) else None
            if kind == "s":
                c.data = ["" if v is None else v for v in values]
            else:
                hole = np.nan if kind in "fd" else 0
                c.data = np.array([hole if v is None else v for v in values], worker.NUMPY[c.type])
            out.append(c)
        frame = inputs.frame(out, self.nrows)
        return frame if named else frame.to_numpy()

    def write(self, path):
        with open(path, "w") as f:
            for name, kind, values in self.columns:
                cells = " ".join("~" if v is None else "s" + v.encode().hex() if kind == "s" else chex(float(v))
                                 if kind in "fd" else str(int(v)) for v in values)
                f.write(f"{name.encode().hex()} {kind} {cells}\n")


# ---- what may be off, and by how much ----


def bounds(final, x):
    """(scores, their bounds) of a linear model on the matrix it is given."""
    x = np.asarray(x.toarray() if hasattr(x, "toarray") else x, dtype=float)
    w = np.atleast_2d(final.coef_)
    scores = x @ w.T + final.intercept_
    size = np.abs(x) @ np.abs(w.T) + np.abs(final.intercept_)
    return scores, 4 * (x.shape[1] + 1) * EPS * size


def ulps(p):
    return 2 * np.spacing(np.abs(np.asarray(p, dtype=float)))


def proba_bounds(p, bound):
    """Every link of scikit-learn is no steeper in relative terms than two scores together."""
    b = 2 * np.max(bound, axis=1, keepdims=True)
    return p * b + b * 1e-3 * (p > 0) + 3 * ulps(p) + b * (p < 1) * (1 - p)


# ---- answers ----


def alone(row):
    return [text(v) for v in np.atleast_1d(row)]


def expected(model, frame, exact):
    """One dict per row; raises what the model raises."""
    pred = np.asarray(model.predict(frame))
    try:
        proba = np.asarray(model.predict_proba(frame)) if hasattr(model, "predict_proba") else None
    except Exception:
        proba = None
    out = [{"pred": alone(pred[i])} for i in range(len(frame))]
    final = model.steps[-1][1] if isinstance(model, Pipeline) else model
    for i, row in enumerate(out):
        if proba is not None:
            row["proba"] = [chex(float(v)) for v in proba[i]]
    if exact:
        return out
    x = frame
    if isinstance(model, Pipeline):
        for _, step in model.steps[:-1]:
            x = step.transform(x) if step not in (None, "passthrough") else x
    scores, bound = bounds(final, x)
    log = isinstance(final, (lm.PoissonRegressor, lm.GammaRegressor, lm.TweedieRegressor))
    for i, row in enumerate(out):
        if is_classifier(model):
            ordered = np.sort(scores[i])
            gap = abs(scores[i][0]) if len(scores[i]) == 1 else ordered[-1] - ordered[-2]
            row["free"] = bool(gap <= 2 * bound[i].max())
        else:
            values = np.atleast_1d(pred[i]).astype(float)
            row["off"] = [chex(float(v)) for v in (np.abs(values) * bound[i] + ulps(values) if log else bound[i])]
        if proba is not None:
            row["poff"] = [chex(float(v)) for v in proba_bounds(proba[i:i + 1], bound[i:i + 1])[0]]
    return out


def answer(model, request, named, exact):
    """Rows one by one (None where they are refused), then those accepted together."""
    single = []
    for r in range(request.nrows):
        try:
            single.append(expected(model, request.take([r]).frame(named), exact)[0])
        except Exception:
            single.append(None)
    accepted = [r for r in range(request.nrows) if single[r] is not None]
    try:
        together = expected(model, request.take(accepted).frame(named), exact) if accepted else []
    except Exception:
        together = None
    return {"alone": single, "together": together}


# ---- writing models ----


class OldPickler(pickle.Pickler):
    """Objects with another version in them, and attributes changed as that version had them."""

    def __init__(self, file, protocol, version, change):
        super().__init__(file, protocol)
        self.version, self.change = version, change

    def reducer_override(self, obj):
        if isinstance(obj, BaseEstimator):
            state = {**obj.__getstate__(), "_sklearn_version": self.version}
            if self.change:
                self.change(obj, state)
            return copyreg.__newobj__, (type(obj),), state
        return NotImplemented


def save(folder, model, how):
    """how: p0 ... p5, skops, or (version, change, renamed modules)."""
    os.makedirs(folder)
    name = "model.skops" if how == "skops" else "model.pkl"
    path = os.path.join(folder, name)
    with open(os.path.join(folder, "MLmodel"), "w") as f:
        f.write("flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: " + name +
                "\n    predict_fn: predict\n  sklearn:\n    pickled_model: " + name + "\n")
    if how == "skops":
        skops.io.dump(model, path)
        return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    if isinstance(how, str):
        with open(path, "wb") as f:
            pickle.dump(model, f, protocol=int(how[1:]))
        return model
    version, change, renamed = how
    out = io.BytesIO()
    OldPickler(out, 2, version, change).dump(model)
    data = out.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")
    for new, old in renamed:
        data = data.replace(b"c" + new.encode() + b"\n", b"c" + old.encode() + b"\n")
    with open(path, "wb") as f:
        f.write(data)
    return model


# ---- data ----


def make_columns(rng, n, missing):
    """Columns of every kind, at least one number among them."""
    columns = []
    kinds = ["d"] + list(rng.choice(list("dddilfbsssSN"), rng.randint(1, 7)))
    for i, kind in enumerate(kinds):
        name = ["a", "col 1", "größe", "x.y", "e", "f", "g", "h"][i] if rng.rand() < 0.9 else f"c{i}"
        hole = lambda v: [None if rng.rand() < missing else x for x in v]  # noqa: E731
        if kind == "d":
            columns.append((name, "d", hole((rng.randn(n) * 10.0 ** rng.randint(-2, 4)).tolist())))
        elif kind == "f":
            columns.append((name, "f", hole((rng.randn(n) * 3).astype("f4").astype(float).tolist())))
        elif kind in "il":
            columns.append((name, kind, rng.randint(-5, 50, n).tolist()))
        elif kind == "b":
            columns.append((name, "b", (rng.rand(n) < 0.4).tolist()))
        elif kind == "N":
            columns.append((name, "d", hole(rng.choice([1.0, 2.0, 2.5, -3.0], n).tolist())))
        else:
            some = list(rng.choice(COLORS, rng.randint(2, 7), replace=False))
            values = [str(v) for v in rng.choice(some, n)]
            columns.append((name, "s", hole(values) if kind == "S" else values))
    seen = {}
    return Request([(seen.setdefault(n, n) if n not in seen else f"{n}{i}", t, v)
                    for i, (n, t, v) in enumerate(columns)])


def score_of(rng, request):
    total = np.zeros(request.nrows)
    for name, kind, values in request.columns:
        if kind == "s":
            total += [hash_of(v) for v in values]
        else:
            v = np.array([0 if x is None else float(x) for x in values])
            total += v / (np.abs(v).mean() + 1e-9)
    return total + 0.5 * rng.randn(request.nrows)


def hash_of(value):
    return 0.0 if value is None else sum(value.encode()) % 7 / 3 - 1


def classes(score, labels):
    edges = np.quantile(score, np.linspace(0, 1, len(labels) + 1)[1:-1])
    return np.array(labels)[np.digitize(score, edges)]


# ---- random pipelines ----


def scaler(rng):
    return [lambda: StandardScaler(), lambda: StandardScaler(with_mean=False), lambda: StandardScaler(with_std=False),
            lambda: MinMaxScaler(), lambda: MinMaxScaler((-2, 3), clip=True), lambda: MaxAbsScaler(),
            lambda: RobustScaler(), lambda: RobustScaler(with_centering=False)][rng.randint(8)]()


def imputer(rng, numbers):
    if numbers:
        return [lambda: SimpleImputer(), lambda: SimpleImputer(strategy="median"),
                lambda: SimpleImputer(strategy="most_frequent"), lambda: SimpleImputer(strategy="constant", fill_value=-1.5),
                lambda: SimpleImputer(add_indicator=True), lambda: SimpleImputer(strategy="median", add_indicator=True)
                ][rng.randint(6)]()
    return [lambda: SimpleImputer(strategy="most_frequent"),
            lambda: SimpleImputer(strategy="constant", fill_value="missing"),
            lambda: SimpleImputer(strategy="most_frequent", add_indicator=False, missing_values=np.nan)][rng.randint(3)]()


def encoder(rng, width):
    unknown = ["ignore", "error", "infrequent_if_exist", "ignore"][rng.randint(4)]
    if rng.rand() < 0.35:
        options = {"handle_unknown": "use_encoded_value", "unknown_value": -1} if rng.rand() < 0.7 else {}
        if rng.rand() < 0.3:
            options["encoded_missing_value"] = -2
        if rng.rand() < 0.3:
            options["min_frequency"] = 0.2
        return OrdinalEncoder(**options)
    options = {"handle_unknown": unknown, "sparse_output": rng.rand() < 0.5}
    if rng.rand() < 0.4:
        options["drop"] = ["first", "if_binary"][rng.randint(2)]
    if rng.rand() < 0.35:
        options["min_frequency" if rng.rand() < 0.5 else "max_categories"] = 3 if rng.rand() < 0.5 else 2
    return OneHotEncoder(**options)


def chain(rng, *steps):
    steps = [s for s in steps if s is not None]
    if len(steps) == 1 and rng.rand() < 0.6:
        return steps[0]
    if rng.rand() < 0.2:
        steps.insert(rng.randint(len(steps)), "passthrough")
    return Pipeline([(f"s{i}", s) for i, s in enumerate(steps)])


def columns_as(rng, request, picked, named):
    """The same columns as names, positions, a mask, or a slice."""
    names = [c[0] for c in request.columns]
    run = picked == list(range(picked[0], picked[-1] + 1))
    kind = rng.randint(4)
    if kind == 0 and named:
        return [names[i] for i in picked]
    if kind == 1:
        return [i in picked for i in range(len(names))]
    if kind == 2 and run:
        return slice(names[picked[0]], names[picked[-1]]) if named and rng.rand() < 0.5 else slice(picked[0], picked[-1] + 1)
    return picked


def random_transformer(rng, request, named):
    text_columns = [i for i, c in enumerate(request.columns) if c[1] == "s"]
    numbers = [i for i, c in enumerate(request.columns) if c[1] != "s"]
    left = set(range(len(request.columns)))
    parts = []
    holes = {i: any(v is None for v in request.columns[i][2]) for i in range(len(request.columns))}
    some = [i for i in numbers if rng.rand() < 0.75] or numbers[:1]
    fill = imputer(rng, True) if any(holes[i] for i in some) or rng.rand() < 0.3 else None
    parts.append(("num", chain(rng, fill, scaler(rng) if rng.rand() < 0.9 or not fill else None), some))
    if text_columns:
        fill = imputer(rng, False) if any(holes[i] for i in text_columns) and rng.rand() < 0.7 else None
        parts.append(("cat", chain(rng, fill, encoder(rng, len(text_columns))), text_columns))
    rest = sorted(left - set(some) - set(text_columns))
    small = [i for i in rest if request.columns[i][1] in "ilb" or len(set(request.columns[i][2])) < 8]
    if small and rng.rand() < 0.6:
        parts.append(("small", encoder(rng, len(small)), small))
        rest = sorted(set(rest) - set(small))
    if rest and rng.rand() < 0.3 and not any(holes[i] for i in rest):
        parts.append(("keep", "passthrough", rest))
    elif rng.rand() < 0.2:
        parts.append(("gone", "drop", some[:1]))
    remainder = "drop"
    if rest and not any(holes[i] for i in rest) and rng.rand() < 0.4:
        remainder = ["passthrough", StandardScaler()][rng.randint(2)]
    order = rng.permutation(len(parts))
    entries = [(parts[i][0], parts[i][1], columns_as(rng, request, parts[i][2], named)) for i in order]
    return ColumnTransformer(entries, remainder=remainder, sparse_threshold=[0.3, 0.0, 1.0][rng.randint(3)])


def random_final(rng):
    """(estimator, labels or None)"""
    labels = [[0, 1], ["no", "yes"], ["a", "b", "c"], [3, 5, 9, 11], [False, True], [0.5, 1.5]][rng.randint(6)]
    kind = rng.randint(12)
    if kind < 4:
        return lm.LogisticRegression(C=[1.0, 0.1][rng.randint(2)], fit_intercept=rng.rand() < 0.9), labels
    if kind == 4:
        return lm.SGDClassifier(loss=["log_loss", "modified_huber", "hinge"][rng.randint(3)], random_state=1), labels
    if kind == 5:
        return [lm.RidgeClassifier(), LinearSVC(), lm.Perceptron()][rng.randint(3)], labels
    if kind == 6:
        return RandomForestClassifier(5, random_state=1), labels
    if kind == 7:
        return ExtraTreesRegressor(4, random_state=1), None
    if kind == 8:
        return DecisionTreeClassifier(max_depth=5, random_state=1), labels
    if kind == 9:
        return Identity(), None
    return [lm.LinearRegression(), lm.Ridge(), lm.Lasso(0.01), lm.ElasticNet(0.01)][rng.randint(4)], None


class Identity:
    """Stands for a linear model that answers its inputs: what the steps before it made, bit by bit."""


def identity(width):
    model = lm.LinearRegression()
    model.coef_, model.intercept_, model.n_features_in_ = np.eye(width), np.zeros(width), width
    return model


# ---- edges ----


def edge_requests(rng, base, count):
    numbers = [0.0, -0.0, 5e-324, 1e-39, 1e300, -1e300, 1e39, float("inf"), float("-inf"), 0.1, 2.0**53 + 1]
    words = ["unknown!", "red", "1", "", "NaN", "x" * 300]
    rows = []
    for col, (_, kind, values) in enumerate(base.columns):
        tries = {"s": words, "b": [True, False], "i": [0, -1, 2**31 - 1], "l": [0, 2**62, -2**53 - 1],
                 "d": numbers, "f": [v for v in numbers if abs(v) < 1e38 or np.isinf(v)]}[kind]
        for value in [None, *(tries[k] for k in rng.permutation(len(tries))[:4])]:
            rows.append(base.with_cell(rng.randint(base.nrows), col, value))
    picked = [rows[i] for i in rng.permutation(len(rows))[:count]]
    out = picked[0]
    for r in picked[1:]:
        out = out.plus(r)
    return out


def as_doubles(request):
    """The same numbers as a client without a signature sends them."""
    return Request([(n, "d" if t in "ilf" else t, [None if v is None else float(v) for v in w] if t in "ilf" else w)
                    for n, t, w in request.columns])


# ---- the list ----


class Maker:
    def __init__(self, root):
        self.root, self.names = root, []

    def finish(self, name, model, request, named=True, exact=False):
        folder = os.path.join(self.root, name)
        request.write(os.path.join(folder, "request.txt"))
        with open(os.path.join(folder, "expect.json"), "w") as f:
            json.dump(answer(model, request, named, exact), f)
        self.names.append({"name": name, "rows": request.nrows, "named": named, "exact": exact})

    def model(self, name, model, fit_on, y, how="p4", named=True, exact=False, edges=30, doubles=False, seed=0):
        rng = np.random.RandomState(seed + 77)
        frame = fit_on.frame(named)
        steps = model.steps if isinstance(model, Pipeline) else []
        if steps and isinstance(steps[-1][1], Identity):
            before = model[:-1].fit(frame, y)
            x = before.transform(frame)
            model = Pipeline([*before.steps, ("last", identity(x.shape[1]))])
            exact = True
        else:
            model.fit(frame, y)
        model = save(os.path.join(self.root, name, "model"), model, how)
        last = model.steps[-1][1] if isinstance(model, Pipeline) else model
        if getattr(last, "coef_", np.zeros(1)).dtype == np.float32:
            raise ValueError("trained in float32: a worker serves it")
        rows = fit_on.take(range(25)).plus(edge_requests(rng, fit_on, edges))
        self.finish(name, model, as_doubles(rows) if doubles else rows, named, exact)


def make_random(m, count):
    hows = ["p4", "p4", "skops", "p2", "p5", "p0", "p4", "p3"]
    done = 0
    for seed in range(10 * count):
        rng = np.random.RandomState(seed)
        named = rng.rand() < 0.8
        request = make_columns(rng, 150, missing=0.15 if rng.rand() < 0.6 else 0.0)
        if not named and any(c[1] in "sb" for c in request.columns):  # an array would be one of objects
            named = True
        steps = [("columns", random_transformer(rng, request, named))]
        if rng.rand() < 0.35:
            steps.append(("scale", [MaxAbsScaler(), StandardScaler(with_mean=False), "passthrough"][rng.randint(3)]))
        final, labels = random_final(rng)
        score = score_of(rng, request)
        y = classes(score, labels) if labels else score
        exact = isinstance(final, (RandomForestClassifier, ExtraTreesRegressor, DecisionTreeClassifier))
        name = f"random-{seed}"
        try:
            m.model(name, Pipeline([*steps, ("last", final)]), request, y, hows[seed % len(hows)], named, exact,
                    doubles=rng.rand() < 0.3, seed=seed)
        except (ValueError, TypeError, AttributeError):  # what scikit-learn cannot fit, or skops not save
            shutil.rmtree(os.path.join(m.root, name), ignore_errors=True)
            continue
        done += 1
        if done == count:
            return
    raise AssertionError("too few of the random pipelines could be fitted")


def numbers_only(seed, n=120, kind="d", ncols=5, missing=0.0):
    rng = np.random.RandomState(seed)
    scale = 10.0 ** rng.randint(-2, 3, ncols)
    x = rng.randn(n, ncols) * scale
    if kind == "f":
        x = x.astype("f4").astype(float)
    if kind == "l":
        x = np.round(x * 10)
    columns = [(f"n{i}", kind, [None if rng.rand() < missing else (int(v) if kind == "l" else float(v)) for v in x[:, i]])
               for i in range(ncols)]
    return rng, Request(columns)


def make_linear(m):
    values = ["LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "SGDRegressor",
              "PassiveAggressiveRegressor", "BayesianRidge", "ARDRegression", "HuberRegressor", "Lars", "LarsCV",
              "LassoLars", "LassoLarsCV", "LassoLarsIC", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV",
              "TheilSenRegressor", "QuantileRegressor", "PoissonRegressor", "GammaRegressor", "TweedieRegressor"]
    several = ["MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "LinearRegression",
               "Ridge"]
    for i, name in enumerate(values):
        rng, request = numbers_only(i)
        y = score_of(rng, request)
        y = np.exp(y / 5) if name in ("PoissonRegressor", "GammaRegressor", "TweedieRegressor") else y
        m.model(f"linear-{name}", getattr(lm, name)(), request, y, "skops" if i % 5 == 0 else "p4", i % 3 > 0)
    m.model("linear-tweedie-log", lm.TweedieRegressor(power=1.5, alpha=0.1), request, y)
    for i, name in enumerate(several):
        rng, request = numbers_only(i)
        y = score_of(rng, request)
        m.model(f"linear-{name}-targets", getattr(lm, name)(), request, np.c_[y, y * y, -y])
    m.model("linear-one-column-target", lm.LinearRegression(), request, y[:, None])
    m.model("linear-LinearSVR", LinearSVR(), request, y)
    kinds = {"LogisticRegression": lm.LogisticRegression, "LogisticRegressionCV": lm.LogisticRegressionCV,
             "SGDClassifier-hinge": lm.SGDClassifier, "RidgeClassifier": lm.RidgeClassifier,
             "RidgeClassifierCV": lm.RidgeClassifierCV, "Perceptron": lm.Perceptron, "LinearSVC": LinearSVC,
             "PassiveAggressiveClassifier": lm.PassiveAggressiveClassifier,
             "SGDClassifier-log": lambda: lm.SGDClassifier(loss="log_loss", random_state=1),
             "SGDClassifier-huber": lambda: lm.SGDClassifier(loss="modified_huber", random_state=1),
             "LogisticRegression-liblinear": lambda: lm.LogisticRegression(solver="liblinear"),
             "LogisticRegression-newton": lambda: lm.LogisticRegression(solver="newton-cholesky")}
    for i, (name, make) in enumerate(kinds.items()):
        for labels in ([0, 1], ["low", "mid", "high"]):
            if "liblinear" in name and len(labels) > 2:
                continue
            rng, request = numbers_only(i)
            m.model(f"linear-{name}-{len(labels)}", make(), request, classes(score_of(rng, request), labels),
                    "skops" if i % 4 == 1 else "p4", i % 3 > 0, doubles=i % 2 > 0)
    rng, request = numbers_only(5, kind="l")
    m.model("linear-integers", lm.LogisticRegression(), request, classes(score_of(rng, request), ["a", "b"]))
    rng, request = numbers_only(6, ncols=300)
    m.model("linear-wide", lm.Ridge(), request, score_of(rng, request), edges=60)
    rng, request = numbers_only(7)
    many = list(range(100, 140))
    m.model("linear-40-classes", lm.LogisticRegression(), request, classes(score_of(rng, request), many))


def make_float32(m):
    """Whole pipelines in float32: rows bit-equal in what the steps make."""
    for i, make in enumerate([StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler,
                              lambda: MinMaxScaler((0, 0.3), clip=True), lambda: SimpleImputer(strategy="median")]):
        rng, request = numbers_only(i, kind="f", missing=0.1 if i == 5 else 0)
        steps = [("a", make()), ("b", StandardScaler()), ("last", Identity())]
        m.model(f"float32-{i}", Pipeline(steps), request, score_of(rng, request))
        m.model(f"float32-{i}-doubles", Pipeline([(n, s if isinstance(s, Identity) else make()) for n, s in steps[::2]]),
                request, score_of(rng, request), doubles=True)


# ---- earlier versions ----


def set_state(**values):
    def change(obj, state):
        for key, value in values.items():
            kind, _, attribute = key.partition("__")
            if type(obj).__name__ == kind and value is DROP:
                state.pop(attribute, None)
            elif type(obj).__name__ == kind:
                state[attribute] = value(obj, state) if callable(value) else value
    return change


DROP = object()


class Formula:
    """A model whose answers an earlier version computed otherwise than today's."""

    def __init__(self, model, proba):
        self.model, self.proba = model, proba
        self.coef_, self.intercept_, self.classes_ = model.coef_, model.intercept_, model.classes_
        self._estimator_type = "classifier"

    def predict(self, x):
        return self.model.predict(x)

    def predict_proba(self, x):
        return self.proba(self.model.decision_function(x))

    def __sklearn_tags__(self):
        return self.model.__sklearn_tags__()


def softmax(d):
    e = np.exp(d - d.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def ovr(d):
    p = 1 / (1 + np.exp(-d))
    return p / p.sum(axis=1, keepdims=True)


def pair(d):
    return softmax(np.c_[-d, d])


def make_old_logistic(m):
    new, old = "sklearn.linear_model._logistic", "sklearn.linear_model.logistic"
    rows = [("1.4.2", "ovr", "lbfgs", 3, ovr), ("1.4.2", "auto", "lbfgs", 3, softmax), ("1.2.0", "auto", "liblinear", 3, ovr),
            ("1.3.1", "multinomial", "lbfgs", 2, pair), ("1.3.1", "auto", "lbfgs", 2, None),
            ("1.7.0", "deprecated", "lbfgs", 3, softmax), ("1.5.0", "auto", "newton-cholesky", 3, ovr),
            ("1.6.0", "deprecated", "newton-cholesky", 3, softmax), ("0.21.3", "warn", "liblinear", 3, ovr),
            ("0.20.4", "multinomial", "saga", 4, softmax)]
    for i, (version, multi, solver, k, proba) in enumerate(rows):
        rng, request = numbers_only(i)
        frame = request.frame(False)
        model = lm.LogisticRegression().fit(frame, classes(score_of(rng, request), list("wxyz")[:k]))
        renamed = [(new, old)] if version < "0.22" else []
        change = set_state(LogisticRegression__multi_class=multi, LogisticRegression__solver=solver,
                           **({"LogisticRegression__n_features_in_": DROP} if version < "0.24" else {}))
        name = f"old-logistic-{version}-{multi}-{solver}-{k}"
        save(os.path.join(m.root, name, "model"), model, (version, change, renamed))
        rows_ = request.take(range(20)).plus(edge_requests(rng, request, 20))
        m.finish(name, Formula(model, proba) if proba else model, rows_, False)


def old_passthrough(obj, state):
    """Before 1.4: the word itself in place of a FunctionTransformer."""
    return [(n, "passthrough" if type(t).__name__ == "FunctionTransformer" else t, c) for n, t, c in state["transformers_"]]


def positions(obj, state):
    """Before 1.0: only the columns as given."""
    return {}


def make_old_pipelines(m):
    rng = np.random.RandomState(3)
    request = Request([("n1", "d", rng.randn(150).tolist()), ("n2", "d", (rng.rand(150) * 9).tolist()),
                       ("c1", "s", [str(v) for v in rng.choice(["x", "y", "z"], 150)]),
                       ("c2", "s", [str(v) for v in rng.choice(["p", "q"], 150)]), ("n3", "d", rng.randn(150).tolist())])
    y = classes(score_of(rng, request), ["no", "yes"])
    data = [("sklearn.preprocessing._data", "sklearn.preprocessing.data")]
    for i, version in enumerate(["1.3.2", "1.2.1", "1.1.0", "1.0.2", "0.24.2", "0.23.1", "0.22.0", "0.21.3"]):
        for kind, cols in {"name": (["n1", "n2"], ["c1", "c2"]), "position": ([0, 1], [2, 3]),
                           "mask": ([True, True, False, False, False], [False, False, True, True, False]),
                           "slice": (slice(0, 2), slice("c1", "c2")), "negative": ([0, 1], [-3, -2])}.items():
            model = Pipeline([("ct", ColumnTransformer([
                ("num", Pipeline([("i", SimpleImputer(strategy="median")), ("s", StandardScaler())]), cols[0]),
                ("cat", OneHotEncoder(handle_unknown="ignore", drop="first" if i % 2 else None), cols[1]),
            ], remainder="passthrough")), ("lr", lm.LogisticRegression())]).fit(request.frame(True), y)
            changes = {"ColumnTransformer__transformers_": old_passthrough, "LogisticRegression__multi_class": "auto"}
            if version < "1.0":
                changes |= {"ColumnTransformer___transformer_to_input_indices": DROP}
            if version < "0.24":
                changes |= {f"{c}__n_features_in_": DROP for c in (
                    "SimpleImputer", "StandardScaler", "OneHotEncoder", "LogisticRegression", "ColumnTransformer")}
                changes |= {"ColumnTransformer___n_features": 5}
            if version < "1.2":
                changes |= {"OneHotEncoder__sparse": True, "OneHotEncoder__sparse_output": DROP,
                            "SimpleImputer__keep_empty_features": DROP}
            if version < "1.1":
                changes |= {f"OneHotEncoder__{a}": DROP for a in (
                    "_drop_idx_after_grouping", "_infrequent_enabled", "_n_features_outs", "min_frequency", "max_categories")}
            name = f"old-pipeline-{version}-{kind}"
            renamed = data if version < "0.22" else []
            save(os.path.join(m.root, name, "model"), model, (version, set_state(**changes), renamed))
            rows = request.take(range(15)).plus(edge_requests(rng, request, 25))
            m.finish(name, model, rows, True)


def make_special(m):
    """Cases that the random ones meet seldom."""
    rng = np.random.RandomState(11)
    n = 150
    request = Request([("num", "d", rng.randn(n).tolist()), ("cat", "s", [str(v) for v in rng.choice(COLORS[:3], n)]),
                       ("hole", "s", [None if rng.rand() < 0.3 else str(v) for v in rng.choice(["u", "v"], n)]),
                       ("whole", "l", rng.randint(0, 4, n).tolist()), ("flag", "b", (rng.rand(n) < 0.5).tolist()),
                       ("code", "d", [None if rng.rand() < 0.2 else float(v) for v in rng.choice([1, 2, 9], n)])])
    y = classes(score_of(rng, request), ["no", "yes"])
    everything = ["num", "cat", "hole", "whole", "flag", "code"]

    def pipe(name, *parts, last=None, how="p4", extra=(), **options):
        steps = [("ct", ColumnTransformer([(f"p{i}", t, c) for i, (t, c) in enumerate(parts)], **options)), *extra,
                 ("last", lm.LogisticRegression() if last is None else last)]
        m.model(name, Pipeline(steps), request, y, how, exact=isinstance(last, RandomForestClassifier), edges=40)

    def selected(**what):
        return make_column_selector(**what)

    ignore = dict(handle_unknown="ignore")
    pipe("special-all-onehot", (OneHotEncoder(**ignore), ["cat", "hole", "whole", "flag", "code"]))
    pipe("special-all-onehot-error", (OneHotEncoder(), ["cat", "hole", "whole", "flag", "code"]), last=Identity())
    pipe("special-all-ordinal", (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan,
                                                encoded_missing_value=-3), ["cat", "hole", "whole", "flag", "code"]),
         last=RandomForestClassifier(5, random_state=1))
    pipe("special-same-column-twice", (StandardScaler(), ["num"]), (MinMaxScaler(), ["num", "whole"]),
         (OneHotEncoder(**ignore), ["whole"]), ("passthrough", ["num", "flag"]), last=Identity())
    pipe("special-objects", (Pipeline([("i", SimpleImputer(strategy="most_frequent")), ("e", OneHotEncoder(**ignore))]),
                             everything))
    pipe("special-objects-skops", (Pipeline([("i", SimpleImputer(strategy="constant", fill_value="?")),
                                             ("e", OneHotEncoder(**ignore))]), ["cat", "hole"]), how="skops")
    pipe("special-missing-word", (Pipeline([("i", SimpleImputer(strategy="constant", missing_values="red", fill_value="none")),
                                            ("e", OneHotEncoder(**ignore))]), ["cat"]))
    pipe("special-missing-number", (SimpleImputer(missing_values=2, strategy="mean"), ["whole"]), last=Identity())
    pipe("special-indicator-objects", (Pipeline([("i", SimpleImputer(strategy="most_frequent", add_indicator=True)),
                                                 ("e", OneHotEncoder(**ignore))]), ["cat", "hole"]))
    pipe("special-selector", (Pipeline([("i", SimpleImputer()), ("s", StandardScaler())]), selected(dtype_include="number")),
         (OneHotEncoder(**ignore), selected(pattern="c")), remainder="drop")
    frame = request.frame(True)
    pipe("special-index", (StandardScaler(), frame.columns[[0, 3]]),
         (OneHotEncoder(**ignore), pd.Index(["cat"], dtype=object)), last=Identity())
    pipe("special-drop-list", (OneHotEncoder(drop=["red", "u"]), ["cat", "hole"]), last=Identity())
    pipe("special-single-category", (OneHotEncoder(categories=[["red"]], **ignore), ["cat"]), (StandardScaler(), ["num"]))
    pipe("special-given-categories", (OneHotEncoder(categories=[["blue", "green", "red"], [3, 2, 1, 0][::-1]], **ignore),
                                      ["cat", "whole"]), last=Identity())
    pipe("special-nested", (ColumnTransformer([("a", StandardScaler(), ["num"]), ("b", OneHotEncoder(**ignore), ["cat"])],
                                              remainder="passthrough"), ["num", "cat", "whole"]), (OrdinalEncoder(), ["flag"]),
         last=Identity())
    pipe("special-twice", (StandardScaler(), ["num", "whole"]), (OneHotEncoder(**ignore), ["cat"]),
         extra=[("again", ColumnTransformer([("x", MinMaxScaler(), [0, 1]), ("y", MaxAbsScaler(), [1, 0])],
                                            remainder="passthrough"))], last=Identity())
    pipe("special-encode-numbers", (Pipeline([("i", SimpleImputer(strategy="most_frequent")), ("e", OneHotEncoder(**ignore))]),
                                    ["code", "whole"]), last=Identity())
    pipe("special-forest", (OneHotEncoder(**ignore), ["cat", "hole"]), ("passthrough", ["num", "whole", "flag"]),
         last=RandomForestClassifier(7, random_state=1), how="skops")
    pipe("special-empty-selection", (StandardScaler(), ["num"]), (OneHotEncoder(), []), remainder="drop")
    half = Request([c for c in request.columns if c[1] != "s"])
    m.model("special-unnamed", Pipeline([("i", SimpleImputer()), ("s", StandardScaler()), ("l", lm.LogisticRegression())]),
            half, y, named=False)
    m.model("special-whole-frame", Pipeline([("e", OneHotEncoder(**ignore)), ("l", lm.LogisticRegression())]),
            Request([c for c in request.columns if c[0] in ("cat", "hole", "flag")]), y)
    m.model("special-ordinal-frame", Pipeline([("e", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),
                                               ("t", DecisionTreeClassifier(random_state=1))]),
            Request([c for c in request.columns if c[0] in ("cat", "flag")]), y, exact=True)
    m.model("special-only-passthrough", Pipeline([("p", "passthrough"), ("s", StandardScaler()), ("l", lm.Ridge())]), half.take(
        range(n)) if not any(v is None for c in half.columns for v in c[2]) else Request(half.columns[:3]),
        score_of(rng, request))
    m.model("special-large-categories", Pipeline([("e", OneHotEncoder(**ignore)), ("l", lm.LogisticRegression())]),
            Request([("id", "s", [f"user {i}" for i in range(n)])]), y)


def main():
    target, count = sys.argv[1], int(sys.argv[2])
    work = target + ".making"
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    m = Maker(work)
    make_special(m)
    make_linear(m)
    make_float32(m)
    make_old_logistic(m)
    make_old_pipelines(m)
    make_random(m, count)
    with open(os.path.join(work, "list.json"), "w") as f:
        json.dump(m.names, f)
    shutil.rmtree(target, ignore_errors=True)
    os.rename(work, target)


if __name__ == "__main__":
    main()
