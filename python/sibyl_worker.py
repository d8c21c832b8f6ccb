"""A model worker of sibyl: loads one MLflow model and answers prediction frames on a socket.

Run by sibyl with the model's own interpreter. Arguments: --model DIR --fd N [--title TEXT]
[--memory BYTES] [--parent PID] [--validate]. The wire format is docs/formats/worker-protocol.md.
Standard output and error belong to the model: sibyl logs them line by line.
"""

import argparse
import ctypes
import gc
import inspect
import json
import os
import resource
import signal
import socket
import struct
import sys
import time
import traceback

PROTOCOL = 1
PREDICT, READY, FAILED, RESULT, ERROR = 1, 16, 17, 18, 19
BOOL, INT32, INT64, FLOAT32, FLOAT64, STRING, BINARY, DATETIME, JSON = range(9)
CALLER, MODEL, MEMORY = 0, 1, 2
FLAG_TENSOR, FLAG_PROBA = 1, 2
COLUMN_NULLS, COLUMN_ABSENT = 1, 2
FRAME_MAX = 1 << 30
NUMPY = {BOOL: "?", INT32: "<i4", INT64: "<i8", FLOAT32: "<f4", FLOAT64: "<f8", DATETIME: "<i8"}


# ---- frames ----


class Reader:
    """Checked reading of one frame's body. Data sections are aligned to 8 bytes from its start."""

    def __init__(self, body):
        self.body, self.at = body, 0

    def take(self, fmt):
        values = struct.unpack_from(fmt, self.body, self.at)
        self.at += struct.calcsize(fmt)
        return values if len(values) > 1 else values[0]

    def bytes(self, n):
        if n > len(self.body) - self.at:
            raise ValueError("frame is too short")
        part = self.body[self.at : self.at + n]
        self.at += n
        return part

    def align(self):
        self.at = (self.at + 7) & ~7

    def array(self, dtype, count):
        self.align()
        a = np.frombuffer(self.body, dtype=dtype, count=count, offset=self.at)
        self.at += a.nbytes
        return a


class Writer:
    def __init__(self, kind):
        self.out = bytearray(struct.pack("<II", 0, kind))

    def put(self, fmt, *values):
        self.out += struct.pack(fmt, *values)

    def text(self, s, limit=1 << 20):
        b = s.encode("utf-8", "replace")[:limit]
        self.out += struct.pack("<I", len(b)) + b

    def array(self, a):
        self.out += bytes(-(len(self.out) - 8) & 7)
        self.out += a.tobytes()

    def send(self, sock):
        struct.pack_into("<I", self.out, 0, len(self.out) - 8)
        sock.sendall(self.out)


def receive(sock):
    """(kind, body) of the next frame, None when the other side has closed."""
    head = bytearray(8)
    if not fill(sock, memoryview(head)):
        return None
    n, kind = struct.unpack("<II", head)
    if n > FRAME_MAX:
        raise ValueError("frame of %d bytes" % n)
    body = bytearray(n)
    if not fill(sock, memoryview(body)):
        return None
    return kind, memoryview(body)


def fill(sock, view):
    while len(view):
        n = sock.recv_into(view)
        if n == 0:
            return False
        view = view[n:]
    return True


# ---- columns of the request ----


class Column:
    __slots__ = ("name", "type", "width", "null", "data")


def read_column(r, nrows):
    c = Column()
    name_len, c.type, flags, c.width = r.take("<IBBI")
    c.name = bytes(r.bytes(name_len)).decode()
    if flags & COLUMN_ABSENT:
        return None
    c.null = r.array("?", nrows) if flags & COLUMN_NULLS else None
    count = nrows * c.width
    if c.type in NUMPY:
        c.data = r.array(NUMPY[c.type], count)
        return c
    offsets = r.array("<u4", count + 1).tolist()
    blob = r.bytes(offsets[-1])
    parts = [bytes(blob[offsets[i] : offsets[i + 1]]) for i in range(count)]
    c.data = parts if c.type == BINARY else [p.decode() for p in parts]
    return c


def cell_values(c):
    """The values of a column as pandas has them when they are not plain numbers."""
    if c.type == JSON:
        values = [json.loads(t) for t in c.data]
    elif c.type == DATETIME:
        values = c.data.view("<M8[ns]")
        if c.null is not None:
            values = values.copy()
            values[c.null] = np.datetime64("NaT")
        return values
    else:
        values = c.data
    if c.null is None:
        return values if isinstance(values, np.ndarray) else object_array(values)
    if c.type in (FLOAT32, FLOAT64):
        return values  # NaN stands there already
    if c.type in (INT32, INT64):
        values = values.astype("f8")
        values[c.null] = np.nan
        return values
    return object_array([None if n else v for v, n in zip(values, c.null.tolist())])


def object_array(values):
    a = np.empty(len(values), dtype=object)
    for i, v in enumerate(values):
        a[i] = v
    return a


class Inputs:
    """Builds what the model takes from columns; keeps what only depends on their names."""

    def __init__(self, model):
        meta = model.metadata
        self.schema = meta.get_input_schema()
        self.hinted = flag(meta, "_is_signature_from_type_hint")
        self.tensors = {}
        if self.schema is not None and self.schema.is_tensor_spec():
            for spec in self.schema.inputs:
                self.tensors[spec.name] = spec
        self.indexes = {}

    def build(self, columns, nrows, tensor):
        if tensor and self.tensors:
            return self.arrays(columns, nrows)
        if self.hinted:
            return self.values(columns, nrows)
        return self.frame(columns, nrows)

    def arrays(self, columns, nrows):
        arrays = {}
        for c in columns:
            spec = self.tensors.get(c.name) or self.schema.inputs[0]
            if c.type == JSON:
                a = np.array([json.loads(t) for t in c.data], dtype=spec.type)
            elif c.type in NUMPY:
                a = c.data.view("<M8[ns]") if c.type == DATETIME else c.data
            else:
                a = np.array(c.data)
            if c.type != JSON:
                a = a.reshape((nrows,) + tuple(spec.shape[1:]))
            if spec.type.kind not in "USO":
                a = a.astype(spec.type, copy=False)
            arrays[c.name] = a
        if self.schema.has_input_names():
            return arrays
        return next(iter(arrays.values()))

    def values(self, columns, nrows):
        """Models with type hints take a list, one item a row."""
        lists = [list(cell_values(c)) for c in columns]
        if len(columns) == 1 and not self.schema.has_input_names():
            return [v.item() if isinstance(v, np.generic) else v for v in lists[0]]
        names = [c.name for c in columns]
        return [dict(zip(names, row)) for row in zip(*lists)] or [{} for _ in range(nrows)]

    def frame(self, columns, nrows):
        names = tuple(c.name for c in columns)
        index = self.indexes.get(names)
        if index is None:
            plain = names == tuple(str(i) for i in range(len(names)))
            index = pd.RangeIndex(len(names)) if plain else pd.Index(names, dtype=object)
            if len(self.indexes) < 64:
                self.indexes[names] = index
        first = columns[0].type if columns else None
        if first in (FLOAT64, FLOAT32, INT64, INT32) and all(
            c.type == first and c.width == 1 and (c.null is None or first in (FLOAT32, FLOAT64))
            for c in columns
        ):
            block = np.empty((len(columns), nrows), dtype=NUMPY[first])
            for i, c in enumerate(columns):
                block[i] = c.data
            return pd.DataFrame(block.T, columns=index, copy=False)
        data = {}
        for i, c in enumerate(columns):
            values = c.data if c.type in NUMPY and c.null is None else None
            if values is None or c.type == DATETIME:
                values = cell_values(c)
            if c.width > 1:
                values = object_array(list(np.asarray(values).reshape(nrows, c.width)))
            data[i] = values
        df = pd.DataFrame(data, index=range(nrows))
        df.columns = index
        return df


# ---- the model ----


def flag(meta, name):
    fn = getattr(meta, name, None)
    return bool(fn()) if callable(fn) else False


class Model:
    def __init__(self, directory):
        import mlflow.pyfunc

        self.pyfunc = mlflow.pyfunc.load_model(directory)
        self.inputs = Inputs(self.pyfunc)
        meta = self.pyfunc.metadata
        self.params_schema = meta.get_params_schema() if hasattr(meta, "get_params_schema") else None
        self.fast = self.direct_call()
        self.outputs = self.output_names(meta)
        self.classifier, self.class_labels, self.class_name = find_classifier(self.pyfunc)
        self.labels = forest_labels(self.pyfunc, self.fast)

    def output_names(self, meta):
        schema = meta.get_output_schema()
        if schema is not None and schema.has_input_names():
            return list(schema.input_names())
        return []

    def direct_call(self):
        """The model's own predict, without MLflow's schema enforcement: sibyl has enforced the
        same signature already. Not for models that MLflow converts data for by type hints."""
        fn = getattr(self.pyfunc, "_predict_fn", None)
        meta = self.pyfunc.metadata
        if fn is None or self.inputs.hinted or flag(meta, "_is_type_hint_from_example"):
            return None
        schema = self.inputs.schema
        if schema is not None and not schema.is_tensor_spec():
            from mlflow.types import DataType

            if not all(isinstance(t, DataType) for t in schema.input_types()):
                return None
        p = inspect.signature(fn).parameters.get("params")
        self.takes_params = p is not None and p.kind != inspect.Parameter.VAR_KEYWORD
        return fn

    def params(self, given):
        if not given and self.params_schema is None:
            return None
        from mlflow.models.utils import _enforce_params_schema

        return _enforce_params_schema(given, self.params_schema)

    def predict(self, data, params):
        if self.fast is None:
            return self.pyfunc.predict(data, params=params) if params else self.pyfunc.predict(data)
        params = self.params(params)
        return self.fast(data, params=params) if self.takes_params else self.fast(data)

    def predict_both(self, data, params, nrows):
        """(predictions, probabilities). A forest's labels are the largest of its probabilities, as
        its own predict computes them: one evaluation does for both."""
        if self.labels is not None and not params:
            proba = None
            try:
                proba = self.class_probabilities(data, nrows)
            except MemoryError:
                raise
            except Exception:
                pass  # predict says whether the rows are at fault
            if proba is not None:
                return self.labels.take(np.argmax(proba, axis=1), axis=0), proba
        return self.predict(data, params), self.probabilities(data, nrows)

    def class_probabilities(self, data, nrows):
        """An array, or None when the model has none; raises what predict_proba raises."""
        if self.classifier is None:
            return None
        p = np.asarray(self.classifier.predict_proba(data), dtype="<f8")
        if p.shape != (nrows, len(self.class_labels)):
            self.drop_probabilities("shape %s for %d rows" % (p.shape, nrows))
            return None
        return p

    def probabilities(self, data, nrows):
        """Of rows that predict has taken."""
        try:
            return self.class_probabilities(data, nrows)
        except MemoryError:
            raise
        except Exception as e:
            self.drop_probabilities("%s: %s" % (type(e).__name__, e))
            return None

    def drop_probabilities(self, why):
        print("sibyl: class probabilities are off for this model: predict_proba gave", why[:500],
              file=sys.stderr)
        self.classifier, self.class_labels = None, []


def raw_model(pyfunc):
    impl = getattr(pyfunc, "_model_impl", pyfunc)
    for name in ("python_model", "sklearn_model", "xgb_model", "lgb_model", "cb_model"):
        if hasattr(impl, name):
            return getattr(impl, name), name == "python_model"
    get = getattr(impl, "get_raw_model", None)
    return (get() if callable(get) else impl), False


def is_classifier(obj):
    if inspect.isclass(obj) or inspect.ismodule(obj):
        return False
    try:
        return callable(getattr(obj, "predict_proba", None)) and getattr(obj, "classes_", None) is not None
    except Exception:
        return False


def attributes(obj):
    """The objects a PythonModel keeps: its attributes, and what lies in their lists and dicts."""
    for value in list(getattr(obj, "__dict__", {}).values()):
        yield value
        if isinstance(value, dict):
            yield from list(value.values())[:100]
        elif isinstance(value, (list, tuple)):
            yield from value[:100]


def forest_labels(pyfunc, predict):
    """classes_ of an sklearn forest, or of a pipeline that ends in one, whose predict is sklearn's."""
    obj, custom = raw_model(pyfunc)
    if custom or getattr(predict, "__name__", "") != "predict" or "sklearn" not in sys.modules:
        return None
    try:
        from sklearn.ensemble._forest import ForestClassifier
        from sklearn.pipeline import Pipeline
    except ImportError:
        return None
    forest = final_step(obj) if type(obj) is Pipeline else obj
    if getattr(type(forest), "predict", None) is not ForestClassifier.predict:
        return None
    return forest.classes_ if isinstance(forest.classes_, np.ndarray) else None


def final_step(obj):
    steps = getattr(obj, "steps", None)
    return steps[-1][1] if isinstance(steps, list) and steps else None


def find_classifier(pyfunc):
    """(object with predict_proba, labels as text, class name); (None, [], name) without one."""
    obj, custom = raw_model(pyfunc)
    name = "%s.%s" % (type(obj).__module__, type(obj).__qualname__)
    found, encoder = (obj if is_classifier(obj) else None), None
    if custom and found is None:
        kept = {id(v): v for v in attributes(obj)}.values()
        candidates = [v for v in kept if is_classifier(v)]
        inner = {id(final_step(v)) for v in candidates}
        candidates = [v for v in candidates if id(v) not in inner]
        found = candidates[0] if len(candidates) == 1 else None
        encoders = [v for v in kept if type(v).__name__ == "LabelEncoder" and hasattr(v, "classes_")]
        encoder = encoders[0] if len(encoders) == 1 else None
    if found is None:
        return None, [], name
    classes = found.classes_
    if isinstance(classes, list) and classes and isinstance(classes[0], np.ndarray):
        return None, [], name  # several outputs, each with classes of its own
    classes = list(np.asarray(classes).tolist())
    if encoder is not None and all(isinstance(c, int) and 0 <= c < len(encoder.classes_) for c in classes):
        classes = [encoder.classes_[c] for c in classes]
    return found, [str(c) for c in classes], name


# ---- what it answered ----


class BadAnswer(Exception):
    pass


def plain(v):
    if isinstance(v, np.ndarray):
        return v.tolist()
    if isinstance(v, np.generic):
        return v.item()
    if hasattr(v, "to_dict"):
        return v.to_dict()
    if hasattr(v, "model_dump"):
        return v.model_dump()
    return str(v)


def typed(values):
    """(type, width, null mask or None, data) of one output: an array, or a list of texts."""
    a = values if isinstance(values, np.ndarray) else object_array(list(values))
    width = 1
    if a.ndim == 2 and a.dtype != object and a.shape[1] > 0:
        width, a = a.shape[1], np.ascontiguousarray(a).reshape(-1)
    elif a.ndim > 1:
        a = object_array(list(a))
    kind = a.dtype.kind
    if kind == "b":
        return BOOL, width, None, a.astype("?")
    if kind == "i" or (kind == "u" and a.dtype.itemsize < 8):
        small = a.dtype.itemsize < 4 or (kind == "i" and a.dtype.itemsize == 4)
        return (INT32, width, None, a.astype("<i4")) if small else (INT64, width, None, a.astype("<i8"))
    if kind == "f":
        single = a.dtype.itemsize <= 4
        return (FLOAT32, width, None, a.astype("<f4")) if single else (FLOAT64, width, None, a.astype("<f8"))
    if kind == "M":
        a = a.astype("<M8[ns]")
        return DATETIME, width, np.isnat(a), a.view("<i8")
    return (*typed_objects([plain_scalar(v) for v in a.tolist()], width),)


def plain_scalar(v):
    return v.item() if isinstance(v, np.generic) else v


def typed_objects(values, width):
    none = [v is None or v is getattr(pd, "NA", None) for v in values]
    if any(isinstance(v, str) for v in values):  # pandas marks missing text with NaN
        none = [n or (isinstance(v, float) and v != v) for v, n in zip(values, none)]
    null = np.array(none, dtype="?")
    there = [v for v, n in zip(values, null) if not n]
    mask = null if null.any() else None
    kinds = {type(v) for v in there}
    if kinds == {str} or not there:
        return STRING, width, mask, ["" if n else v for v, n in zip(values, null)]
    if kinds == {bool}:
        return BOOL, width, mask, np.array([bool(v) and not n for v, n in zip(values, null)], dtype="?")
    if kinds == {int} and all(-(1 << 63) <= v < 1 << 63 for v in there):
        return INT64, width, mask, np.array([0 if n else v for v, n in zip(values, null)], dtype="<i8")
    if kinds <= {int, float} and kinds:
        return FLOAT64, width, mask, np.array(
            [np.nan if n else v for v, n in zip(values, null)], dtype="<f8")
    if kinds == {bytes}:
        return BINARY, width, mask, [b"" if n else v for v, n in zip(values, null)]
    return JSON, width, mask, [json.dumps(clean(v), default=plain, allow_nan=False) for v in values]


def clean(v, depth=0):
    """NaN and infinities have no JSON: null. Keys become text."""
    if depth > 60:
        raise BadAnswer("its answer is nested deeper than 60")
    if isinstance(v, float):
        return v if np.isfinite(v) else None
    if isinstance(v, dict):
        return {str(k): clean(x, depth + 1) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [clean(x, depth + 1) for x in v]
    if isinstance(v, (np.ndarray, np.generic)):
        return clean(v.tolist(), depth + 1)
    return v


def sequence(v):
    """A value per row, or None when v is a single value."""
    if isinstance(v, pd.Series):
        return v.to_numpy() if isinstance(v.dtype, np.dtype) else v.to_numpy(dtype=object)
    if hasattr(v, "toarray"):
        return v.toarray()
    if hasattr(v, "detach"):
        return v.detach().cpu().numpy()
    if isinstance(v, (list, tuple)):
        return v
    if isinstance(v, np.ndarray):
        return v if v.ndim else None
    return None


def named_outputs(raw, nrows, names):
    """[(name, values)] of whatever predict gave back."""
    if isinstance(raw, pd.DataFrame):
        return [(str(c), sequence(raw.iloc[:, i])) for i, c in enumerate(raw.columns)]
    if isinstance(raw, dict):
        out = []
        for k, v in raw.items():
            s = sequence(v)
            alone = nrows == 1 and (s is None or len(s) != 1)
            out.append((str(k), object_array([v]) if alone else s))
        return out
    s = sequence(raw)
    if s is None:
        s = object_array([raw])
    if isinstance(s, np.ndarray) and s.ndim == 2 and len(names) == s.shape[1] > 1:
        return [(n, s[:, i]) for i, n in enumerate(names)]
    name = names[0] if len(names) == 1 else "prediction"
    return [(name, s)]


def put_column(w, name, values, nrows):
    if values is None or len(values) != nrows:
        n = "one value" if values is None else "%d values" % len(values)
        raise BadAnswer("it answered %s for %d rows (output %r)" % (n, nrows, name))
    kind, width, null, data = typed(values)
    b = name.encode()
    w.put("<IBBI", len(b), kind, COLUMN_NULLS if null is not None else 0, width)
    w.out += b
    if null is not None:
        w.array(null)
    if isinstance(data, np.ndarray):
        w.array(data)
        return
    parts = [v.encode("utf-8", "replace") if isinstance(v, str) else bytes(v) for v in data]
    offsets = np.zeros(len(parts) + 1, dtype="<u4")
    np.cumsum([len(p) for p in parts], out=offsets[1:])
    w.array(offsets)
    w.out += b"".join(parts)


def result_frame(request, model, raw, proba, nrows, compute_ns):
    outputs = named_outputs(raw, nrows, model.outputs)
    w = Writer(RESULT)
    classes = len(model.class_labels) if proba is not None else 0
    w.put("<QQIII", request, compute_ns, nrows, len(outputs), classes)
    for name, values in outputs:
        put_column(w, name, values, nrows)
    if proba is not None:
        for label in model.class_labels:
            w.text(label)
        w.array(np.ascontiguousarray(proba))
    return w


def error_frame(request, error, compute_ns):
    kind = MODEL
    if isinstance(error, MemoryError):
        kind = MEMORY
    elif isinstance(error, (ValueError, TypeError, KeyError)) or is_schema_error(error):
        kind = CALLER
    message = str(error) or repr(error)
    if isinstance(error, MemoryError):
        message = "the model needs more memory than its worker may use"
    w = Writer(ERROR)
    w.put("<QQI", request, compute_ns, kind)
    w.text(type(error).__name__, 200)
    w.text(message, 4000)
    w.text(short_traceback(error), 8000)
    return w


def is_schema_error(error):
    if type(error).__name__ != "MlflowException":
        return False
    return getattr(error, "error_code", "") in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


def short_traceback(error):
    """The last frames, which are the model's own."""
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return "".join(lines)[-6000:]


# ---- the process ----


def answer(sock, model, body):
    r = Reader(body)
    request, nrows, ncols, flags, params_len = r.take("<QIIII")
    params = json.loads(bytes(r.bytes(params_len))) if params_len else None
    columns = [c for c in (read_column(r, nrows) for _ in range(ncols)) if c is not None]
    t0 = time.perf_counter_ns()
    try:
        data = model.inputs.build(columns, nrows, flags & FLAG_TENSOR)
        if flags & FLAG_PROBA:
            raw, proba = model.predict_both(data, params, nrows)
        else:
            raw, proba = model.predict(data, params), None
        frame = result_frame(request, model, raw, proba, nrows, time.perf_counter_ns() - t0)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except SystemExit as e:
        # sys.exit() in a model ends its process, as it would anywhere else.
        sys.stderr.flush()
        os._exit(e.code if isinstance(e.code, int) else 1)
    except BaseException as e:
        frame = error_frame(request, e, time.perf_counter_ns() - t0)
    frame.send(sock)


def protect(args):
    """Dies with sibyl; stays below its memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
    if args.parent and os.getppid() != args.parent:
        sys.exit("sibyl went away while the worker started")
    if args.title:
        libc.prctl(15, args.title.encode()[:15], 0, 0, 0)  # PR_SET_NAME
    if args.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (args.memory, args.memory))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def quiet_mlflow():
    """No tracking, no telemetry, no git: a worker only computes. The tracking address is one where
    nobody listens, since without any MLflow makes a folder where it stands."""
    os.environ.update({
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_TRACE_SAMPLING_RATIO": "0",
        "GIT_PYTHON_REFRESH": "quiet",
    })
    for name in ("MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.pop(name, None)


def load(directory):
    global np, pd
    try:
        import mlflow.pyfunc  # noqa: F401
        import numpy as np
        import pandas as pd
    except ImportError as e:
        raise ImportError(
            "%s (interpreter %s: install mlflow and what the model's requirements.txt lists there, "
            "or name another one with --python)" % (e, sys.executable)
        ) from e
    return Model(directory)


def validate(model, directory):
    """One prediction on the model's own input example, if it has one."""
    meta = model.pyfunc.metadata
    if not getattr(meta, "saved_input_example_info", None):
        return "none"
    if not hasattr(meta, "load_input_example"):
        return "none"
    example = meta.load_input_example(directory)
    raw = model.pyfunc.predict(example)
    nrows = len(example) if hasattr(example, "__len__") else 1
    if isinstance(example, pd.DataFrame) or (isinstance(example, np.ndarray) and example.ndim):
        for name, values in named_outputs(raw, nrows, model.outputs):
            put_column(Writer(RESULT), name, values, nrows)
        model.probabilities(example, nrows)
    return "passed"


def ready_frame(model, example):
    import mlflow

    w = Writer(READY)
    w.put("<I", PROTOCOL)
    w.text(json.dumps({
        "pid": os.getpid(),
        "python": "%d.%d.%d" % sys.version_info[:3],
        "mlflow": mlflow.__version__,
        "class_name": model.class_name,
        "classes": model.class_labels,
        "proba": model.classifier is not None,
        "example": example,
    }))
    return w


def failed_frame(error):
    w = Writer(FAILED)
    w.text(type(error).__name__, 200)
    w.text(str(error) or repr(error), 4000)
    w.text(short_traceback(error), 8000)
    return w


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--fd", type=int, required=True)
    p.add_argument("--title", default="")
    p.add_argument("--memory", type=int, default=0)
    p.add_argument("--parent", type=int, default=0)
    p.add_argument("--validate", action="store_true")
    args = p.parse_args()
    protect(args)
    sys.stdout.reconfigure(line_buffering=True)
    sock = socket.socket(fileno=args.fd)
    os.set_inheritable(args.fd, False)
    quiet_mlflow()
    try:
        model = load(args.model)
        example = validate(model, args.model) if args.validate else "not tried"
    except BaseException as e:
        failed_frame(e).send(sock)
        sys.exit(1)
    gc.collect()
    gc.freeze()  # what loading made stays: later collections need not walk it
    ready_frame(model, example).send(sock)
    while True:
        frame = receive(sock)
        if frame is None:
            break
        kind, body = frame
        if kind != PREDICT:
            raise ValueError("frame of unknown kind %d" % kind)
        answer(sock, model, body)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
