"""The inference protocols' and tables' bodies: real clients, documented bodies, hostile ones; what the model gets and what is recorded."""
import gzip
import json
import math
import os
import signal
import struct

import models
import numpy as np
import pytest
import requests
import tritonclient.http as triton
from sibyl import PYTHON, ROOT, Sibyl, command_of, request, tree, wait_for
from tritonclient.utils import InferenceServerException

SCRIPT = r'''
import pathlib, sys
import mlflow, numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

out = pathlib.Path(sys.argv[1])


class Saw(mlflow.pyfunc.PythonModel):
    """Answers each row with what it got, as text."""
    def predict(self, context, model_input, params=None):
        import json
        import numpy as np
        import pandas as pd

        def text(v):
            if v is None or v is pd.NaT or (isinstance(v, (float, np.floating)) and v != v):
                return None
            if isinstance(v, (bytes, bytearray)):
                return "bytes " + v.hex()
            if isinstance(v, (float, np.floating)):
                return "%s %s" % (np.asarray(v).dtype, float(v).hex())
            if isinstance(v, (bool, np.bool_)):
                return bool(v)
            if isinstance(v, (int, np.integer)):
                return int(v)
            if isinstance(v, np.ndarray):
                return [str(v.dtype), v.tolist()]
            return v if isinstance(v, (str, list, dict)) else str(v)

        if isinstance(model_input, dict):
            model_input = model_input["grid"]
        if isinstance(model_input, np.ndarray):
            rows = [text(r) for r in model_input]
        else:
            rows = [{str(c): text(model_input[c].iloc[i]) for c in model_input.columns} for i in range(len(model_input))]
        return pd.DataFrame({"saw": [json.dumps(r) for r in rows], "n": [float(i) for i in range(len(rows))]})


saw = Schema([ColSpec("string", "saw"), ColSpec("double", "n")])
kinds = ["boolean", "integer", "long", "float", "double", "string", "binary", "datetime"]
columns = Schema([ColSpec(k, k[0] if k not in ("binary", "double") else k[:2], required=k in ("double",)) for k in kinds])
mlflow.pyfunc.save_model(out / "typed", python_model=Saw(), signature=ModelSignature(columns, saw))
mlflow.pyfunc.save_model(out / "grid", python_model=Saw(), signature=ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 2, 3), "grid")]), saw))
mlflow.pyfunc.save_model(out / "flat", python_model=Saw(), signature=ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 3))]), saw))
mlflow.pyfunc.save_model(out / "free", python_model=Saw())
'''
# columns of "typed"
BOOL, INT, LONG, FLOAT, DOUBLE, STRING, BINARY, DATETIME = "b", "i", "l", "f", "do", "s", "bi", "d"
FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
CSV = {"Content-Type": "text/csv"}
HEADER = ",".join(FEATURES) + "\n"


@pytest.fixture(scope="module")
def s():
    made = models.made("dialects", SCRIPT)
    with Sibyl() as s:
        s.register("iris", ROOT / "share/samples/iris-forest", alias="production")
        yield s
        assert s.stop() == 0, s.log()[-4000:]


@pytest.fixture(scope="module")
def py(s):
    """The same platform with Python models that tell what they saw."""
    made = models.made("dialects", SCRIPT)
    versions = {name: s.register(name, made / name, wait=0) for name in ["typed", "grid", "flat", "free"]}
    for name, version in versions.items():
        s.wait_live(name, version)
    return s


@pytest.fixture
def client(s):
    with triton.InferenceServerClient(f"127.0.0.1:{s.serving}") as c:
        yield c


def v2(s, body, model="iris", headers=None, raw=b"", length=None):
    """One infer request; raw: the binary tensors behind the JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    if raw or length is not None:
        headers = {**(headers or {}), "Inference-Header-Content-Length": str(len(text) if length is None else length), "Content-Type": "application/octet-stream"}
    return s.post(f"/v2/models/{model}/infer", text + raw, headers=headers)


def tensor(name, datatype, shape, data=None, **parameters):
    t = {"name": name, "datatype": datatype, "shape": shape}
    if data is not None:
        t["data"] = data
    if parameters:
        t["parameters"] = parameters
    return t


def outputs(answer):
    assert answer.status == 200, answer
    return {o["name"]: o for o in answer.json()["outputs"]}


def saw(answer):
    """What the model says it got, a row each."""
    return [json.loads(t) for t in outputs(answer)["saw"]["data"]]


def event_of(s, answer):
    return s.event(answer.headers["X-Event-ID"])


def events_of(s, request_id):
    return [e for line in s.cli("events", "tail", "--json", "-n", "500").stdout.splitlines() if (e := json.loads(line))["request_id"] == request_id]


# ---- version 2 with its own client ----

@pytest.mark.san
def test_tritonclient_asks_what_there_is(s, client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("iris") and client.is_model_ready("iris", "1")
    assert not client.is_model_ready("iris", "7") and not client.is_model_ready("nobody")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    meta = client.get_model_metadata("iris", "1")
    assert (meta["name"], meta["versions"]) == ("iris", ["1"])
    assert meta["inputs"] == [{"name": n, "datatype": "FP64", "shape": [-1, 1]} for n in FEATURES]
    assert [(o["name"], o["datatype"], o["shape"]) for o in meta["outputs"]] == [("species", "BYTES", [-1, 1]), ("probabilities", "FP64", [-1, 3])]
    assert {"name": "iris", "version": "1", "state": "READY", "reason": ""} in client.get_model_repository_index()
    with pytest.raises(InferenceServerException, match="version 7 of iris is not live: version 1 is") as e:
        client.get_model_metadata("iris", "7")
    assert e.value.status() == "404"


@pytest.mark.san
@pytest.mark.parametrize("dtype, name, binary", [
    *[(d, n, b) for d, n in [(np.float64, "FP64"), (np.float32, "FP32"), (np.int64, "INT64"), (np.int8, "INT8"), (np.uint16, "UINT16")] for b in [True, False]],
    (np.float16, "FP16", True),  # as JSON the client itself refuses it
])
def test_tritonclient_infers_with_each_type(client, dtype, name, binary):
    x = triton.InferInput("x", [2, 4], name)
    x.set_data_from_numpy(np.array(ROWS).astype(dtype), binary_data=binary)
    wanted = [triton.InferRequestedOutput("species", binary_data=binary), triton.InferRequestedOutput("probabilities", binary_data=not binary)]
    for outputs in [None, wanted]:
        r = client.infer("iris", [x], outputs=outputs, request_id="t-7")
        assert r.get_response()["id"] == "t-7" and r.get_response()["model_version"] == "1"
        species = [v.decode() if isinstance(v, bytes) else v for v in r.as_numpy("species")[:, 0]]
        assert species == ["setosa", "virginica"]
        p = r.as_numpy("probabilities")
        assert p.shape == (2, 3) and p.dtype == np.float64 and p.sum(axis=1) == pytest.approx([1, 1])
        assert json.loads(r.get_output("probabilities")["parameters"]["classes"]) == ["setosa", "versicolor", "virginica"]


def test_tritonclient_async_compressed_and_by_column(s, client):
    columns = []
    for i, n in reversed(list(enumerate(FEATURES))):
        columns.append(triton.InferInput(n, [2, 1], "FP64"))
        columns[-1].set_data_from_numpy(np.array(ROWS)[:, [i]], binary_data=i % 2 == 0)
    pending = [client.async_infer("iris", columns, request_id=f"async-{i}") for i in range(20)]
    assert [[v.decode() for v in p.get_result().as_numpy("species")[:, 0]] for p in pending] == [["setosa", "virginica"]] * 20
    for algorithm in ["gzip", "deflate"]:
        r = client.infer("iris", columns, request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
        assert [v.decode() for v in r.as_numpy("species")[:, 0]] == ["setosa", "virginica"]
    by_row = events_of(s, "async-3")
    assert [(e["row"], e["status"], list(e["input"].values())) for e in by_row] == [(0, "ok", ROWS[0]), (1, "ok", ROWS[1])]


def test_tritonclient_errors_are_texts_with_a_status(s, client):
    x = triton.InferInput("x", [1, 3], "FP64")
    x.set_data_from_numpy(np.zeros((1, 3)))
    for model, version, status, text in [("nobody", "", "404", "no model named nobody"), ("iris", "2", "404", "version 2 of iris is not live: version 1 is"), ("iris", "", "400", r"shape \[1, 3\], the model wants \[rows, 4\]")]:
        with pytest.raises(InferenceServerException, match=text) as e:
            client.infer(model, [x], model_version=version, headers={"X-Request-ID": f"bad-{status}-{version}"})
        assert e.value.status() == status
    for rid, route in [("bad-404-", "nobody"), ("bad-404-2", "iris"), ("bad-400-", "iris")]:
        (event,) = events_of(s, rid)
        assert (event["status"], event["route"]) == ("invalid", route)
        assert ("model_version" in event) == (rid == "bad-400-")


# ---- bodies as other servers document them ----

def test_bodies_from_kserves_and_mlservers_pages(s, py):
    url = f"http://127.0.0.1:{s.serving}"
    flat = [v for row in ROWS for v in row]
    for data in [ROWS, flat]:
        a = requests.post(f"{url}/v2/models/iris/infer", json={"inputs": [{"name": "input-0", "shape": [2, 4], "datatype": "FP32", "data": data}]})
        assert a.status_code == 200 and a.headers["Content-Type"] == "application/json"
        assert a.json()["outputs"][0] == {"name": "species", "datatype": "BYTES", "shape": [2, 1], "data": ["setosa", "virginica"]}
    frame = {"parameters": {"content_type": "pd"}, "inputs": [
        {"name": STRING, "datatype": "BYTES", "parameters": {"content_type": "str"}, "shape": [2], "data": ["Joanne", "Michael"]},
        {"name": DOUBLE, "datatype": "INT32", "shape": [2], "data": [34, 22]}]}
    a = requests.post(f"{url}/v2/models/typed/versions/1/infer", json=frame)
    assert [json.loads(t)[STRING] for t in a.json()["outputs"][0]["data"]] == ["Joanne", "Michael"]
    wine = {"inputs": [{"name": n, "shape": [1], "datatype": "FP32", "data": [v], "parameters": {"content_type": "np"}} for n, v in zip(FEATURES, ROWS[0])]}
    assert requests.post(f"{url}/v2/models/iris/infer", json=wine).json()["outputs"][0]["data"] == ["setosa"]
    a = requests.post(f"{url}/v1/models/iris:predict", json={"instances": ROWS})
    assert a.status_code == 200 and a.json() == {"predictions": ["setosa", "virginica"]}


# ---- version 1 ----

@pytest.mark.san
def test_version_1_takes_rows_as_lists_objects_or_columns(s):
    objects = [dict(zip(FEATURES, row)) for row in ROWS]
    columns = {n: [row[i] for row in ROWS] for i, n in enumerate(FEATURES)}
    for body in [{"instances": ROWS}, {"instances": objects}, {"inputs": ROWS}, {"inputs": columns}, {"instances": ROWS, "signature_name": "x", "params": 1}]:
        a = s.post("/v1/models/iris:predict", body, headers={"X-Request-ID": "v1-ok"})
        assert a.json() == {"predictions": ["setosa", "virginica"]}, a
    e = event_of(s, a)
    assert (e["request_id"], e["route"], e["input"]) == ("v1-ok", "iris", objects[0])
    assert s.get("/v1/models").json()["models"][0] in ("flat", "iris") and "iris" in s.get("/v2/models").json()["models"]
    assert s.get("/v1/models/iris").json() == {"name": "iris", "ready": True}
    assert s.get("/v1/models/nobody").status == 404


@pytest.mark.san
@pytest.mark.parametrize("body, status, says", [
    ("{", 400, "not JSON"), ("[]", 400, "instances or inputs"), ({}, 400, "exactly one"), ({"instances": [], "inputs": []}, 400, "exactly one"),
    ({"dataframe_records": [{}]}, 400, "exactly one"), ({"instances": {}}, 400, "not a list"), ({"instances": []}, 400, "no rows"),
    ({"instances": [ROWS[0][:3]]}, 400, "row 0 has 3 values, the model has 4"), ({"instances": [ROWS[0], ROWS[0] + [1]]}, 400, "row 1 has 5 values"),
    ({"instances": [["wide", 1, 1, 1]]}, 400, "sepal_length"), ({"instances": [{"sepal_length": 1}]}, 400, "petal_width"),
    ('{"instances": ' + "[" * 100 + "]" * 100 + "}", 413, "deep"), ('{"instances": [[1e999, 1, 1, 1]]}', 400, "range"),
])
def test_version_1_errors(s, body, status, says):
    a = s.post("/v1/models/iris:predict", body)
    assert (a.status, list(a.json())) == (status, ["error"]) and says in a.json()["error"], a
    assert event_of(s, a)["error"] == a.json()["error"]


def test_version_1_unknown_models_and_methods(s):
    a = s.post("/v1/models/nobody:predict", {"instances": ROWS})
    assert a.status == 404 and "nobody" in a.json()["error"] and event_of(s, a)["route"] == "nobody"
    assert s.get("/v1/models/iris:predict").status == 405 and s.post("/v1/models/iris:explain", {}).status == 405
    assert isinstance(s.get("/v1/models/iris:predict").json()["error"], str)


# ---- what a model gets from tensors ----

def test_each_type_reaches_its_column(py):
    given = {BOOL: ("BOOL", True), INT: ("INT32", -7), LONG: ("INT64", 2**53 + 1), FLOAT: ("FP32", 0.1), DOUBLE: ("FP64", 0.1), STRING: ("BYTES", "grüß"), BINARY: ("BYTES", "AAH/"), DATETIME: ("BYTES", "2026-03-01T12:00:00")}
    a = v2(py, {"inputs": [tensor(n, t, [1], [v]) for n, (t, v) in given.items()]}, "typed")
    (row,) = saw(a)
    assert row == {BOOL: True, INT: -7, LONG: 2**53 + 1, FLOAT: "float32 " + float(np.float32(0.1)).hex(), DOUBLE: "float64 " + (0.1).hex(), STRING: "grüß", BINARY: "bytes 0001ff", DATETIME: "2026-03-01 12:00:00"}
    assert event_of(py, a)["input"] == {n: v for n, (_, v) in given.items()}


def test_raw_tensors_reach_their_columns(py):
    def text(*values):
        return b"".join(struct.pack("<I", len(v)) + v for v in values)
    given = {
        BOOL: ("BOOL", b"\x01\x00", [True, False]), INT: ("INT32", struct.pack("<2i", -7, 7), [-7, 7]), LONG: ("INT64", struct.pack("<2q", -2**63, 2**63 - 1), [-2**63, 2**63 - 1]),
        FLOAT: ("FP32", struct.pack("<2f", 0.1, math.nan), ["float32 " + float(np.float32(0.1)).hex(), None]),
        DOUBLE: ("FP64", struct.pack("<2d", 0.1, math.inf), ["float64 " + (0.1).hex(), "float64 inf"]), STRING: ("BYTES", text("grüß".encode(), b""), ["grüß", ""]),
        BINARY: ("BYTES", text(b"\0\1\xff", b""), ["bytes 0001ff", "bytes "]), DATETIME: ("BYTES", text(b"2026-03-01T12:00:00", b"2026-03-01"), ["2026-03-01 12:00:00", "2026-03-01 00:00:00"]),
    }
    body = {"id": "raw-1", "inputs": [tensor(n, t, [2, 1], binary_data_size=len(b)) for n, (t, b, _) in given.items()]}
    a = v2(py, body, "typed", raw=b"".join(b for _, b, _ in given.values()))
    assert saw(a) == [{n: v[i] for n, (_, _, v) in given.items()} for i in range(2)]
    first, second = events_of(py, "raw-1")
    assert first["input"] == {BOOL: True, INT: -7, LONG: -2**63, FLOAT: 0.1, DOUBLE: 0.1, STRING: "grüß", BINARY: "AAH/", DATETIME: "2026-03-01T12:00:00"}
    assert (second["input"][FLOAT], second["input"][DOUBLE], second["input"][LONG]) == (None, "Infinity", 2**63 - 1)


@pytest.mark.parametrize("datatype, packed, value", [
    ("FP16", struct.pack("<e", 0.1), float(np.float16(0.1))), ("FP16", struct.pack("<H", 1), 2.0**-24), ("FP16", struct.pack("<e", -65504), -65504.0), ("BF16", struct.pack("<f", 1.0)[2:], 1.0), ("BF16", b"\xc0\x7f", None), ("BF16", b"\x80\xff", -math.inf),
    ("FP32", struct.pack("<f", 1e-45), float(np.float32(1e-45))), ("UINT8", b"\xff", 255.0), ("INT8", b"\xff", -1.0), ("UINT16", b"\xff\xff", 65535.0), ("INT16", b"\xff\xff", -1.0),
    ("UINT32", b"\xff" * 4, 2.0**32 - 1), ("UINT64", struct.pack("<Q", 2**64 - 1), 2.0**64), ("INT64", struct.pack("<q", 2**53 + 1), 2.0**53), ("BOOL", b"\x02", 1.0), ("BYTES", b"\3\0\0\x001.5", 1.5),
])
def test_raw_numbers_in_a_double_column(py, datatype, packed, value):
    a = v2(py, {"inputs": [tensor(DOUBLE, datatype, [1], binary_data_size=len(packed))]}, "typed", raw=packed)
    assert saw(a)[0][DOUBLE] == (None if value is None else "float64 " + value.hex())
    kept = event_of(py, a)["input"][DOUBLE]  # what was sent, not what a double made of it
    assert kept == {"UINT64": 2**64 - 1, "INT64": 2**53 + 1, "BYTES": "1.5"}.get(datatype, "-Infinity" if value == -math.inf else value)


@pytest.mark.parametrize("datatype, text, value, kept", [
    ("FP64", "0.10", 0.1, "0.10"), ("FP64", "1e2", 100.0, "1e2"), ("FP64", "null", None, "null"), ("FP64", "NaN", None, "null"), ("FP64", '"NaN"', None, '"NaN"'), ("FP64", "-Infinity", -math.inf, '"-Infinity"'),
    ("FP32", "0.5", 0.5, "0.5"), ("FP32", "0.1", float(np.float32(0.1)), repr(float(np.float32(0.1)))), ("FP16", "0.1", float(np.float16(0.1)), repr(float(np.float16(0.1)))), ("BF16", "3.14", 3.140625, "3.140625"),
    ("INT8", "-128", -128.0, "-128"), ("UINT64", "18446744073709551615", 2.0**64, "18446744073709551615"), ("INT32", "3.0", 3.0, "3.0"), ("BYTES", '"2.5"', 2.5, '"2.5"'), ("BOOL", "true", 1.0, "true"),
])
def test_json_numbers_are_rounded_to_their_datatype(py, datatype, text, value, kept):
    body = '{"inputs": [{"name": "%s", "datatype": "%s", "shape": [1, 1], "data": [[%s]]}]}' % (DOUBLE, datatype, text)
    a = v2(py, body.encode(), "typed")
    assert saw(a)[0][DOUBLE] == (None if value is None else "float64 " + value.hex())
    shown = py.cli("events", "tail", "--json", "-n", "1").stdout
    assert f'"{DOUBLE}":{kept},' in shown or f'"{DOUBLE}":{kept}}}' in shown, shown


def test_tensors_of_a_declared_shape(py):
    meta = py.get("/v2/models/grid").json()
    assert meta["inputs"] == [{"name": "grid", "datatype": "FP32", "shape": [-1, 2, 3]}]
    flat = [float(i) for i in range(12)]
    nested = np.array(flat).reshape(2, 2, 3).tolist()
    raw = struct.pack("<12f", *flat)
    for name in ["grid", "any-name"]:
        for a in [v2(py, {"inputs": [tensor(name, "FP32", [2, 2, 3], data)]}, "grid") for data in (flat, nested)] + [v2(py, {"inputs": [tensor(name, "FP32", [2, 2, 3], binary_data_size=len(raw))]}, "grid", raw=raw)]:
            assert saw(a) == [["float32", nested[0]], ["float32", nested[1]]]
    assert np.array(event_of(py, a)["input"]["grid"]).ravel().tolist() == flat[:6]
    odd = [0.1, math.inf, math.nan, -math.inf, 4, 5]
    for a in [v2(py, {"inputs": [tensor("grid", "FP32", [2, 2, 3], binary_data_size=48)]}, "grid", raw=struct.pack("<12f", *odd, *flat[:6])), v2(py, {"inputs": [tensor("grid", "FP32", [2, 2, 3], [0.1, "Infinity", None, "-Infinity", 4, 5, *flat[:6]])]}, "grid")]:
        assert event_of(py, a)["input"]["grid"] == [0.1, "Infinity", None, "-Infinity", 4, 5]
        assert [e["input"]["grid"] for e in events_of(py, a.headers["X-Request-ID"])][1] == flat[:6]
    for shape in [[2, 6], [12], [2, 3, 2], [4, 3]]:
        a = v2(py, {"inputs": [tensor("grid", "FP32", shape, flat)]}, "grid")
        assert a.status == 400 and "the model wants [rows, 2, 3]" in a.json()["error"]


def test_a_model_without_a_signature_takes_what_comes(py):
    assert saw(v2(py, {"inputs": [tensor("a", "FP64", [2], [1, 2]), tensor("b", "BYTES", [2, 1], ["x", "y"])]}, "free"))[1] == {"a": "float64 " + (2.0).hex(), "b": "y"}
    assert saw(v2(py, {"inputs": [tensor("m", "INT32", [1, 3], [1, 2, 3])]}, "free")) == [{str(i): "float64 " + float(i + 1).hex() for i in range(3)}]
    a = py.post("/models/free/invocations", "a,b,c,d\n1,x,True,\n.5,NA,false,\n", headers=CSV)
    assert a.status == 200, a
    assert [json.loads(r["saw"]) for r in a.json()["predictions"]] == [{"a": "float64 " + (1.0).hex(), "b": "x", "c": True, "d": None}, {"a": "float64 " + (0.5).hex(), "b": None, "c": False, "d": None}]


# ---- hostile tensors ----

X = {"name": "x", "datatype": "FP64", "shape": [1, 4]}
ONE = {**X, "data": ROWS[0]}


@pytest.mark.san
@pytest.mark.parametrize("body, status, says", [
    (b"", 400, "not JSON"), (b"{", 400, "not JSON"), (b"[]", 400, "not a JSON object"), ({}, 400, "no inputs"), ({"inputs": []}, 400, "no inputs"), ({"inputs": {}}, 400, "array"), ({"inputs": [7]}, 400, "object"),
    ({"inputs": [ONE], "id": 7}, 400, "id"), ({"inputs": [{**ONE, "name": 7}]}, 400, "name"), ({"inputs": [{**ONE, "name": ""}]}, 400, "no name"),
    ({"inputs": [{**ONE, "datatype": "FP8"}]}, 400, "FP8"), ({"inputs": [{k: v for k, v in ONE.items() if k != "datatype"}]}, 400, "no datatype"),
    ({"inputs": [{**ONE, "shape": 4}]}, 400, "array"), ({"inputs": [{**ONE, "shape": []}]}, 400, "no shape"), ({"inputs": [{**ONE, "shape": [1, -4]}]}, 400, "-4"), ({"inputs": [{**ONE, "shape": [1, 4.5]}]}, 400, "4.5"),
    ({"inputs": [{**ONE, "shape": [0, 4], "data": []}]}, 400, "no elements"), ({"inputs": [{**ONE, "shape": [1] * 20}]}, 400, "dimensions"),
    ({"inputs": [{**ONE, "shape": [2**32, 2**32]}]}, 400, "counted"), ({"inputs": [{**ONE, "shape": [2**62, 4]}]}, 400, "counted"), ({"inputs": [{**ONE, "shape": [2**40, 4]}]}, 400, "other data than its shape"),
    (b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [99999999999999999999], "data": [1]}]}', 400, "whole number"),
    ({"inputs": [{**X, "data": ROWS[0][:3]}]}, 400, "other data than its shape"), ({"inputs": [{**X, "data": ROWS[0] + [1]}]}, 400, "other data than its shape"), ({"inputs": [{**X, "data": [[1, 2], [3, 4]]}]}, 400, "other data than its shape"),
    ({"inputs": [{**X, "data": [[1, 2, 3, [4]]]}]}, 400, "nested in another way"), ({"inputs": [{**X, "data": [1, [2], 3, 4]}]}, 400, "nested in another way"), ({"inputs": [{**X, "data": 1}]}, 400, "no list"), ({"inputs": [{**X, "data": {}}]}, 400, "no list"),
    ({"inputs": [X]}, 400, "neither data nor"), ({"inputs": [{**ONE, "parameters": {"binary_data_size": 32}}]}, 400, "both data and"), ({"inputs": [{**ONE, "parameters": 7}]}, 400, "object"),
    ({"inputs": [{**X, "data": [1, 2, "wide", 4]}]}, 400, "element 2 (row 0) is no FP64"), ({"inputs": [{**X, "data": [1, 2, True, 4]}]}, 400, "element 2"), ({"inputs": [{**X, "datatype": "INT32", "data": [1, 2, 2**31, 4]}]}, 400, "element 2 (row 0) is no INT32"),
    ({"inputs": [{**X, "datatype": "INT64", "data": [1, 2, 1.5, 4]}]}, 400, "no INT64"), ({"inputs": [{**X, "datatype": "UINT8", "data": [1, 2, -1, 4]}]}, 400, "no UINT8"), ({"inputs": [{**X, "datatype": "FP32", "data": [1e39, 2, 3, 4]}]}, 400, "no FP32: 1e+39"),
    ({"inputs": [{**X, "datatype": "FP16", "data": [65520, 2, 3, 4]}]}, 400, "no FP16"), ({"inputs": [{**X, "datatype": "BYTES", "data": [1, 2, 3, 4]}]}, 400, "no BYTES"), ({"inputs": [{**X, "datatype": "BYTES", "data": ["1", "2", "x", "4"]}]}, 400, "petal_length"),
    ({"inputs": [{**X, "data": [1e39, 2, 3, 4]}]}, 400, "float32"), (b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": [1e999, 2, 3, 4]}]}', 400, "range"),
    ({"inputs": [ONE, ONE]}, 400, "no input 'x'; it has sepal_length"), ({"inputs": [tensor(n, "FP64", [1], [1]) for n in FEATURES[:3]]}, 400, "petal_width"), ({"inputs": [tensor(n, "FP64", [1], [1]) for n in FEATURES + FEATURES[:1]]}, 400, "twice"),
    ({"inputs": [tensor(n, "FP64", [1 + (i == 2)], [1] * (1 + (i == 2))) for i, n in enumerate(FEATURES)]}, 400, "another number of rows"), ({"inputs": [tensor("sepal_length", "FP64", [1, 4], ROWS[0])]}, 400, "[rows, 1] for a column"),
    ({"inputs": [ONE], "outputs": [{"name": "colour"}]}, 400, "no output 'colour'; it has species, probabilities"), ({"inputs": [ONE], "outputs": [{}]}, 400, "no name"), ({"inputs": [ONE], "parameters": {"binary_data_output": "yes"}}, 400, "true nor false"),
    ({"inputs": [{**X, "parameters": {"shared_memory_region": "r"}}]}, 400, "shared memory"), (b'{"inputs": [{"name": "x", "data": ' + b"[" * 100 + b"]" * 100 + b"}]}", 413, "deep"), (b'{"inputs": [], "inputs": []}', 400, "twice"),
    ({"inputs": [tensor(f"c{i}", "FP64", [1], [1]) for i in range(5000)]}, 413, "more than 4096 inputs"), ({"inputs": [tensor("x", "INT8", [200000, 4], [1] * 800000)]}, 413, "more than 100000 rows"),
])
def test_hostile_json_tensors(s, body, status, says):
    a = v2(s, body)
    assert (a.status, list(a.json())) == (status, ["error"]) and says in a.json()["error"], a
    e = event_of(s, a)
    assert (e["status"], e["http_status"], e["error"]) == ("invalid", status, a.json()["error"])


RAW = struct.pack("<4d", *ROWS[0])


@pytest.mark.san
@pytest.mark.parametrize("inputs, raw, length, says", [
    ([tensor("x", "FP64", [1, 4], binary_data_size=32)], RAW, 10**9, "Inference-Header-Content-Length is 1000000000"), ([tensor("x", "FP64", [1, 4], binary_data_size=32)], RAW, "-1", "Inference-Header-Content-Length is -1"),
    ([tensor("x", "FP64", [1, 4], binary_data_size=32)], RAW, 3, "not JSON"), ([tensor("x", "FP64", [1, 4], binary_data_size=32)], RAW[:-1], None, "longer than what follows"), ([tensor("x", "FP64", [1, 4], binary_data_size=32)], RAW + b"x", None, "1 bytes follow"),
    ([tensor("x", "FP64", [1, 4], binary_data_size=31)], RAW, None, "another binary_data_size"), ([tensor("x", "FP64", [1, 4], binary_data_size=2**62)], RAW, None, "longer than what follows"), ([tensor("x", "FP64", [1, 4], binary_data_size=-8)], RAW, None, "binary_data_size"),
    ([tensor("x", "FP64", [2**61, 4], binary_data_size=32)], RAW, None, "counted"), ([tensor("x", "FP32", [1, 4], binary_data_size=32)], RAW, None, "another binary_data_size"), ([ONE], RAW, None, "32 bytes follow"),
    ([tensor("x", "BYTES", [1, 4], binary_data_size=16)], b"\xff" * 16, None, "cut off"), ([tensor("x", "BYTES", [1, 4], binary_data_size=20)], b"\1\0\0\x001" * 4, None, "bytes"), ([tensor("x", "BYTES", [1, 4], binary_data_size=15)], b"\0" * 15, None, "another binary_data_size"),
    ([tensor("x", "BYTES", [1, 4], binary_data_size=17)], b"\0" * 17, None, ""), ([tensor("x", "BYTES", [1, 4], binary_data_size=20)], b"\1\0\0\0\xff" * 4, None, "UTF-8"),
    ([tensor("x", "FP64", [1, 4], binary_data_size=32)], struct.pack("<4d", 1e39, 1, 1, 1), None, "float32"), ([tensor("x", "FP64", [1, 4], binary_data_size=32)], struct.pack("<4d", math.inf, 1, 1, 1), None, "infinity"),
])
def test_hostile_raw_tensors(s, inputs, raw, length, says):
    a = v2(s, {"inputs": inputs}, raw=raw, length=length)
    if inputs[0].get("datatype") == "BYTES" and says == "bytes":  # whole and numbers as text: fine
        assert a.status == 200
        return
    assert a.status == 400 and says in a.json()["error"], a
    assert event_of(s, a)["error"] == a.json()["error"]


@pytest.mark.san
def test_outputs_are_chosen_and_ids_echoed(s):
    a = v2(s, {"id": "my id", "inputs": [ONE], "outputs": [{"name": "probabilities"}]}, headers={"X-Request-ID": "h-1"})
    assert list(outputs(a)) == ["probabilities"] and a.json()["id"] == "my id"
    assert a.headers["X-Request-ID"] == "h-1"  # an id with a space is none of ours, but the caller's
    a = v2(s, {"id": "v2-id-9", "inputs": [ONE], "outputs": []}, headers={"X-Request-ID": "h-2"})
    assert list(outputs(a)) == ["species", "probabilities"]
    assert a.headers["X-Request-ID"] == a.json()["id"] == event_of(s, a)["request_id"] == "v2-id-9"
    a = v2(s, {"inputs": [ONE], "parameters": {"binary_data_output": True}, "outputs": [{"name": "species", "parameters": {"binary_data": False}}, {"name": "probabilities"}]})
    n = int(a.headers["Inference-Header-Content-Length"])
    assert a.headers["Content-Type"] == "application/octet-stream"
    head = json.loads(a.body[:n])
    assert "id" not in head and head["outputs"][0]["data"] == ["setosa"] and head["outputs"][1]["parameters"]["binary_data_size"] == 24
    assert sum(struct.unpack("<3d", a.body[n:])) == pytest.approx(1)


@pytest.mark.san
def test_missing_values_are_null_or_nan(s):
    for data in ["[null, 3.5, 1.4, 0.2]", "[NaN, 3.5, 1.4, 0.2]", '["NaN", 3.5, 1.4, 0.2]']:
        a = v2(s, b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 4], "data": ' + data.encode() + b"}]}")
        rows = s.post("/models/iris/predict", {**dict(zip(FEATURES, ROWS[0])), "sepal_length": None})
        assert a.status == rows.status == 200 and outputs(a)["species"]["data"] == [rows.json()["prediction"]["species"]]


def test_events_are_json_also_where_requests_are_not_quite(s, py):
    def strict(constant):
        raise AssertionError(constant)
    frame = '{"dataframe_split": {"columns": %s, "data": [[%s, 3.5, 1.4, 0.2]]}}'
    for text, kept in [("NaN", None), ("Infinity", "Infinity"), ("-Infinity", "-Infinity")]:
        for path, body in [("/models/iris/invocations", frame % (json.dumps(FEATURES), text)), ("/v1/models/iris:predict", '{"instances": [[%s, 3.5, 1.4, 0.2]]}' % text)]:
            s.post(path, body)
            shown = s.cli("events", "tail", "--json", "-n", "1").stdout
            assert json.loads(shown, parse_constant=strict)["input"]["sepal_length"] == kept
    nested = '{"instances": [[[NaN, 1, 2], [3, -Infinity, 5]], [[0, 1, 2], [3, 4, 5]]]}'
    assert py.post("/models/grid/invocations", nested).status == 200
    first = json.loads(py.cli("events", "tail", "--json", "-n", "2").stdout.splitlines()[0], parse_constant=strict)
    assert first["input"]["grid"] == [[None, 1, 2], [3, "-Infinity", 5]]
    odd = '{"dataframe_records": [{"%s": 1, "%s": "NaN \\" Infinity, NaN"}]}' % (DOUBLE, STRING)
    assert py.post("/models/typed/invocations", odd).status == 200
    assert json.loads(py.cli("events", "tail", "--json", "-n", "1").stdout, parse_constant=strict)["input"][STRING] == 'NaN " Infinity, NaN'


def test_readiness_and_index_without_a_live_version(fresh):
    assert fresh.post("/v2/repository/index", b"", headers={"Content-Type": "application/json"}).json() == []
    assert fresh.get("/v2/health/live").json() == {"live": True} and fresh.get("/v2/health/ready").status == 200
    (fresh.folder / "bad").mkdir()
    (fresh.folder / "bad/MLmodel").write_text("flavors: {}\n")
    fresh.register("bad", fresh.folder / "bad", wait=0)
    wait_for("the failure", 30, lambda: fresh.model("bad").get("failure"))
    (entry,) = fresh.post("/v2/repository/index", {}).json()
    assert (entry["name"], entry["state"]) == ("bad", "UNAVAILABLE") and entry["reason"]
    assert fresh.post("/v2/repository/index", {"ready": True}).json() == [] and fresh.post("/v2/repository/index", {"ready": 7}).status == 400
    for path in ["/v2/models/bad/ready", "/v2/models/bad", "/v2/models/bad/versions/1", "/v2/models/bad/versions/1/ready", "/v1/models/bad", "/v2/health/ready"]:
        a = fresh.get(path)
        assert a.status == 503 and a.json()["error"], (path, a)
    for path, body in [("/v2/models/bad/infer", {"inputs": [ONE]}), ("/v1/models/bad:predict", {"instances": ROWS})]:
        a = fresh.post(path, body)
        assert a.status == 503 and "no version of bad is live" in a.json()["error"]


# ---- tables as text ----

@pytest.mark.san
@pytest.mark.parametrize("text", [
    HEADER + "5.10,3.5,1.4,.2\n6.7,3,5.2,2.3\n", HEADER + "5.10,3.5,1.4,.2\r\n6.7,3,5.2,2.3", "\ufeff" + HEADER + "\n5.10,3.5,1.4,.2\n\n6.7,3,5.2,2.3\n \n",
    "petal_width,petal_length,x,sepal_width,sepal_length\n.2,1.4,a,3.5,5.10\n2.3,5.2,,3,6.7\n", HEADER + "0,5.10,3.5,1.4,.2\n1,6.7,3,5.2,2.3\n", "," + HEADER + "0,5.10,3.5,1.4,.2\n1,6.7,3,5.2,2.3\n",
    '"sepal_length",sepal_width,petal_length,petal_width\n"5.10","3.5",1.4,.2\n6.7,3,5.2,2.3\n',
])
def test_a_table_is_read_as_pandas_reads_it(s, text):
    for path in ["/models/iris/invocations", "/models/iris/predict"]:
        a = s.post(path, text, headers={**CSV, "X-Request-ID": "table"})
        assert a.status == 200, a
        said = a.json()["predictions"]
        assert [p if isinstance(p, str) else p["prediction"]["species"] for p in said] == ["setosa", "virginica"]
    assert event_of(s, a)["input"]["sepal_length"] == 5.1 and event_of(s, a)["request_id"] == "table"


def test_tables_agree_with_pandas(py):
    import io

    import pandas as pd
    na = ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
    numbers = ["1", " 1.5 ", "+2", "-0.0", ".5", "5.", "1e3", "1E-3", "007", "inf", "-Infinity", "1e400", "0.1234567890123456789", "9007199254740993"]
    texts = ["plain", " spaces ", "5", "True", "na", "Null", "grüß €", 'a "quoted" word', "a,b", "two\nlines", "0012", "1e5", "NA "]
    rows = [(n, "x") for n in numbers + na] + [("1", t) for t in texts + na]

    def quoted(t):
        return '"' + t.replace('"', '""') + '"' if any(c in t for c in ',"\n') else t
    text = f"{DOUBLE},{STRING}\n" + "".join(f"{d},{quoted(t)}\n" for d, t in rows)
    want = pd.read_csv(io.StringIO(text), dtype={DOUBLE: "float64", STRING: "object"})
    a = py.post("/models/typed/invocations", text, headers=CSV)
    assert a.status == 200, a
    got = [json.loads(r["saw"]) for r in a.json()["predictions"]]
    assert len(got) == len(want) == len(rows)
    for i, row in enumerate(got):
        d, t = want[DOUBLE][i], want[STRING][i]
        assert row[DOUBLE] == (None if d != d else "float64 " + float(d).hex()), rows[i]
        assert row[STRING] == (None if not isinstance(t, str) else t), rows[i]


def test_a_table_gets_the_signatures_types(py):
    text = f"{BOOL},{INT},{LONG},{FLOAT},{DOUBLE},{STRING},{BINARY},{DATETIME}\nTRUE,-7,9007199254740993,0.1,0.10,5,AAH/,2026-03-01 12:00\n"
    a = py.post("/models/typed/predict", text, headers=CSV)
    assert a.status == 200, a
    (p,) = a.json()["predictions"]
    assert json.loads(p["prediction"]["saw"]) == {BOOL: True, INT: -7, LONG: 2**53 + 1, FLOAT: "float32 " + float(np.float32(0.1)).hex(), DOUBLE: "float64 " + (0.1).hex(), STRING: "5", BINARY: "bytes 0001ff", DATETIME: "2026-03-01 12:00:00"}
    shown = py.cli("events", "show", p["event_id"]).stdout.replace(" ", "").replace("\n", "")
    assert f'"{LONG}":9007199254740993' in shown and f'"{DOUBLE}":0.10' in shown and f'"{STRING}":"5"' in shown and f'"{BOOL}":true' in shown


@pytest.mark.san
@pytest.mark.parametrize("text, status, says, row, field", [
    ("", 400, "no header", None, None), (HEADER, 400, "no rows", None, None), ("a,b\n1,2\n", 400, "missing inputs", None, "sepal_length"), (HEADER + "5.1,3.5,wide,.2\n", 400, "petal_length", 0, "petal_length"),
    (HEADER + "1,2,3,4\n5.1,3.5,1_0,.2\n", 400, "petal_length", 1, "petal_length"), (HEADER + "1,2,3,4\n1,2,3,4,5\n", 400, "row 1 has 5 fields", 1, None), ("sepal_length," + HEADER + "1,1,2,3,4\n", 400, "twice", None, "sepal_length"),
    (HEADER + '5.1,3.5,1"4,.2\n', 400, "not CSV at byte 59, line 2", None, None), (HEADER + '5.1,"3.5,1.4,.2\n', 400, "not closed", None, None), (HEADER.encode() + b"\xff,1,1,1\n", 400, "not UTF-8", None, None), (HEADER + "0x10,1,1,1\n", 400, "sepal_length", 0, "sepal_length"),
    (HEADER + "1e39,1,1,1\n", 400, "float32", None, None), (HEADER + "inf,1,1,1\n", 400, "infinity", None, None), (",".join(f"c{i}" for i in range(5000)) + "\n", 413, "fields", None, None), (HEADER + "1,1,1,1\n" * 100001, 413, "100000 rows", None, None), (b"\0" * 50, 400, "", None, None),
])
def test_hostile_tables(s, text, status, says, row, field):
    a = s.post("/models/iris/predict", text, headers=CSV)
    error = a.json()["error"]
    assert a.status == status and says in error["message"], a
    assert (error.get("row"), error.get("field")) == (row, field)
    assert event_of(s, a)["error"] == error["message"]
    a = s.post("/models/iris/invocations", text, headers=CSV)
    assert a.status == status and says in a.json()["message"]


@pytest.mark.san
@pytest.mark.parametrize("kind, status", [("text/csv; charset=utf-8", 200), ('Text/CSV ;Charset="UTF-8"; header=present', 200), ("text/csv; charset=latin-1", 415), ("text/csv; header=absent", 415), ("text/csvx", 400), ("application/json", 400)])
def test_content_types_of_tables(s, kind, status):
    a = s.post("/models/iris/invocations", HEADER + "5.1,3.5,1.4,0.2\n", headers={"Content-Type": kind})
    assert a.status == status, a
    assert event_of(s, a)["status"] == ("ok" if status == 200 else "invalid")


def test_a_compressed_table(s):
    text = gzip.compress((HEADER + "5.1,3.5,1.4,0.2\n" * 1000).encode())
    a = s.post("/models/iris/invocations", text, headers={**CSV, "Content-Encoding": "gzip"})
    assert a.status == 200 and len(a.json()["predictions"]) == 1000


# ---- tables as Parquet ----

PARQUET = {"Content-Type": "application/vnd.apache.parquet"}


def parquet(table, **kw):
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq
    out = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), out, **kw)
    return out.getvalue()


def reader_pids(s):
    return [p for p in tree(s.process.pid) if any("sibyl_parquet.py" in a for a in command_of(p))]


@pytest.mark.san
def test_parquet_for_a_native_model(s):
    columns = {n: [r[i] for r in ROWS] for i, n in reversed(list(enumerate(FEATURES)))}
    for kind in [*PARQUET.values(), "application/x-parquet"]:
        for path in ["/models/iris/invocations", "/models/iris/predict"]:
            a = s.post(path, parquet({**columns, "other": ["x", "y"]}, row_group_size=1), headers={"Content-Type": kind, "X-Request-ID": f"pq {kind}".replace(" ", "-")})
            assert a.status == 200, a
            assert [p if isinstance(p, str) else p["prediction"]["species"] for p in a.json()["predictions"]] == ["setosa", "virginica"]
    found = events_of(s, f"pq-{kind}")
    assert [(e["row"], e["input"]) for e in found[-2:]] == [(i, dict(zip(FEATURES, r))) for i, r in enumerate(ROWS)]


def test_parquet_as_pandas_writes_it(s):
    import io

    import pandas as pd
    out = io.BytesIO()
    pd.DataFrame(ROWS, columns=FEATURES, index=["a", "b"]).to_parquet(out)
    assert s.post("/models/iris/invocations", out.getvalue(), headers=PARQUET).json() == {"predictions": ["setosa", "virginica"]}


def test_each_parquet_type_reaches_its_column(py):
    import datetime

    import pyarrow as pa
    when = datetime.datetime(2026, 3, 1, 12, 0, 0, 123456)
    t = pa.table({
        BOOL: pa.array([True, False]), INT: pa.array([-7, 7], pa.int16()), LONG: pa.array([2**53 + 1, -2**63]), FLOAT: pa.array([0.1, None], pa.float32()), DOUBLE: pa.array([0.1, math.inf]),
        STRING: pa.array(["grüß", None]).dictionary_encode(), BINARY: pa.array([b"\0\1\xff", b""]), DATETIME: pa.array([when, when], pa.timestamp("us", "Europe/Berlin")).cast(pa.timestamp("ns", "UTC")),
    })
    a = py.post("/models/typed/predict", parquet(t), headers=PARQUET)
    assert a.status == 200, a
    first, second = [json.loads(p["prediction"]["saw"]) for p in a.json()["predictions"]]
    assert first == {BOOL: True, INT: -7, LONG: 2**53 + 1, FLOAT: "float32 " + float(np.float32(0.1)).hex(), DOUBLE: "float64 " + (0.1).hex(), STRING: "grüß", BINARY: "bytes 0001ff", DATETIME: "2026-03-01 12:00:00.123456"}
    assert (second[FLOAT], second[STRING], second[DOUBLE], second[LONG], second[BINARY]) == (None, None, "float64 inf", -2**63, "bytes ")
    for values, ok in [([1, None], True), (pa.array([1, 2], pa.decimal128(5, 2)), True), (["1.5", "x"], False), ([[1.0], [2.0]], False), (pa.array([1, 2], pa.duration("s")), False)]:
        a = py.post("/models/typed/predict", parquet({DOUBLE: values}), headers=PARQUET)
        assert a.status == (200 if ok else 400), a
        assert ok or DOUBLE in a.json()["error"]["message"]
    matrix = parquet({str(i): [float(i), 0.5] for i in range(3)})
    want = [["float64", [0.0, 1.0, 2.0]], ["float64", [0.5, 0.5, 0.5]]]
    for answer in [py.post("/models/flat/invocations", matrix, headers=PARQUET), py.post("/models/flat/invocations", "a,b,c\n0,1,2\n.5,.5,.5\n", headers=CSV)]:
        assert [json.loads(p["saw"]) for p in answer.json()["predictions"]] == want
    assert saw(v2(py, {"inputs": [tensor("any", "FP64", [2, 3], [0, 1, 2, .5, .5, .5])]}, "flat")) == want
    assert py.post("/models/flat/invocations", parquet({"a": ["x"], "b": [1], "c": [2]}), headers=PARQUET).status == 400
    assert [sorted(json.loads(p["saw"])) for p in py.post("/models/free/invocations", matrix, headers=PARQUET).json()["predictions"]] == [["0", "1", "2"]] * 2


@pytest.mark.san
def test_hostile_parquet(s):
    good = parquet({n: [1.0] for n in FEATURES})
    for body, status, says in [
        (b"", 400, "Parquet"), (b"PAR1", 400, "Parquet"), (b"x" * 1000, 400, "Parquet"), (good[:-9], 400, "Parquet"), (good[:40] + b"\xff" * 40 + good[80:], 400, "Parquet"), (good[:4] + good[-8:], 400, "Parquet"),
        (parquet({n: np.zeros(100001) for n in FEATURES}), 413, "more than 100000 rows"), (parquet({f"c{i}": [1] for i in range(5000)}), 413, "columns"), (parquet({n: np.zeros(0) for n in FEATURES}), 400, "no rows"),
        (parquet({FEATURES[0]: [1.0]}), 400, "petal_width"), (parquet({**{n: [1.0] for n in FEATURES}, "petal_width": ["wide"]}), 400, "petal_width"),
        (parquet({"sepal_length": [math.inf], **{n: [1.0] for n in FEATURES[1:]}}), 400, "infinity"), (parquet({"long": ["x" * 1000] * 90000 * 4}), 413, "more than"),
    ]:
        a = s.post("/models/iris/predict", body, headers=PARQUET)
        assert a.status == status and says in a.json()["error"]["message"], (body[:20], a)
        assert event_of(s, a)["error"] == a.json()["error"]["message"]
    assert s.post("/models/iris/predict", good, headers=PARQUET).status == 200


def test_the_reader_of_parquet_comes_back(s):
    body = parquet({n: [1.0] for n in FEATURES})
    assert s.post("/models/iris/predict", body, headers=PARQUET).status == 200
    for _ in range(2):
        (pid,) = reader_pids(s)
        os.kill(pid, signal.SIGKILL)
        wait_for("its end", 10, lambda: pid not in reader_pids(s))
        assert s.post("/models/iris/predict", body, headers=PARQUET).status == 200


@pytest.mark.san
def test_a_slow_reader_of_parquet_costs_only_the_requests_that_wait_for_it(tmp_path):
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\ncase \"$*\" in *sibyl_parquet*) while [ -e {tmp_path}/slow ]; do sleep 0.1; done;; esac\nexec {PYTHON} \"$@\"\n")
    script.chmod(0o755)
    (tmp_path / "slow").touch()
    body = parquet({n: [1.0] for n in FEATURES})
    with Sibyl("--serving-timeout", "2s", env={"SIBYL_PYTHON": str(script)}) as s:
        s.register("iris", ROOT / "share/samples/iris-forest", alias="production")

        def ask(rid):
            return s.post("/models/iris/predict", body, headers={**PARQUET, "X-Request-ID": rid}).status
        assert ask("starting") == 504  # it is not yet there
        (tmp_path / "slow").unlink()
        wait_for("the reader", 60, lambda: ask("later") == 200)
        (pid,) = reader_pids(s)
        os.kill(pid, signal.SIGSTOP)
        assert ask("stuck") == 504  # it does not answer, and is killed for that
        wait_for("its end", 10, lambda: pid not in reader_pids(s))
        wait_for("the next reader", 60, lambda: ask("again") == 200)
        for rid in ["starting", "stuck"]:
            (event,) = wait_for("the event", 10, lambda: events_of(s, rid))
            assert (event["status"], event["http_status"]) == ("timeout", 504)
        assert s.stop() == 0


@pytest.mark.san
def test_without_pyarrow_parquet_is_refused_with_a_way_out(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec /usr/bin/env -i /usr/bin/python3 -S -I \"$@\"\n")
    script.chmod(0o755)
    for python in ["/nowhere/python3", str(script)]:
        with Sibyl(env={"SIBYL_PYTHON": python}) as s:
            s.register("iris", ROOT / "share/samples/iris-forest", alias="production")
            for _ in range(2):  # the second one is told what the first one found
                a = s.post("/models/iris/predict", parquet({n: [1.0] for n in FEATURES}), headers=PARQUET)
                assert a.status == 415 and "install pyarrow" in a.json()["error"]["message"], a
            assert event_of(s, a)["http_status"] == 415
            assert s.post("/models/iris/predict", dict(zip(FEATURES, ROWS[0]))).status == 200


# ---- the rest of a prediction is the same ----

def test_each_dialect_has_a_shadow(fresh):
    s = fresh
    s.register("iris", ROOT / "share/samples/iris-forest", alias="production")
    s.register("iris", ROOT / "share/samples/iris-boosted", alias="shadow", wait=0)
    wait_for("the shadow", 30, lambda: s.model("iris").get("shadow", {}).get("version") == "2")
    ids = {"v1": lambda: s.post("/v1/models/iris:predict", {"instances": ROWS}, headers={"X-Request-ID": "v1"}), "v2": lambda: v2(s, {"id": "v2", "inputs": [tensor("x", "FP32", [2, 4], ROWS)]}),
           "raw": lambda: v2(s, {"id": "raw", "inputs": [tensor("x", "FP64", [2, 4], binary_data_size=64)]}, raw=struct.pack("<8d", *ROWS[0], *ROWS[1])), "csv": lambda: s.post("/models/iris/predict", HEADER + "5.1,3.5,1.4,0.2\n1,2,3,4\n", headers={**CSV, "X-Request-ID": "csv"})}
    for rid, ask in ids.items():
        assert ask().status == 200
        found = wait_for(f"events of {rid}", 10, lambda: (e := events_of(s, rid)) and len(e) == 4 and e)
        by_role = {role: {e["row"]: e["input"] for e in found if e["role"] == role} for role in ["primary", "shadow"]}
        assert by_role["primary"] == by_role["shadow"] and list(by_role["primary"]) == [0, 1]


@pytest.mark.san
def test_a_repeated_key_gets_the_stored_answer_in_each_dialect(s):
    asks = {
        "raw": lambda h: v2(s, {"id": "k", "inputs": [tensor("x", "FP64", [2, 4], binary_data_size=64)], "parameters": {"binary_data_output": True}}, raw=struct.pack("<8d", *ROWS[0], *ROWS[1]), headers=h),
        "v1": lambda h: s.post("/v1/models/iris:predict", {"instances": ROWS}, headers=h), "csv": lambda h: s.post("/models/iris/predict", HEADER + "5.1,3.5,1.4,0.2\n", headers={**CSV, **h}),
        "parquet": lambda h: s.post("/models/iris/predict", parquet({n: [1.0] for n in FEATURES}), headers={**PARQUET, **h}),
    }
    for name, ask in asks.items():
        first, second = [ask({"Idempotency-Key": f'"dialect-{name}"', "X-Request-ID": f"key-{name}"}) for _ in range(2)]
        assert first.status == second.status == 200, (first, second)
        for header in ["Content-Type", "Inference-Header-Content-Length", "X-Event-ID"]:
            assert first.headers[header] == second.headers[header], (name, header)
        assert first.body == second.body


def test_errors_of_the_server_itself_have_the_protocols_form(s):
    for path in ["/v2/models/iris/infer", "/v1/models/iris:predict"]:
        a = s.post(path, b"x" * (17 << 20))
        assert a.status == 413 and isinstance(a.json()["error"], str)
        assert request(s.serving, "PUT", path).status == 405


def test_openapi_lists_the_protocols(s):
    paths = s.get("/openapi.json").json()["paths"]
    infer = paths["/v2/models/{name}/versions/{version}/infer"]["post"]
    assert {p["name"] for p in infer["parameters"]} == {"name", "version"}
    assert "post" in paths["/v1/models/{name}:predict"] and "get" in paths["/v2"]
