"""Casts and enforcement of signatures, cell by cell against MLflow's own functions."""

import base64
import json
import logging
import math
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest

from test_worker import tool_path  # noqa: F401

import mlflow.types
from mlflow.models.utils import _enforce_schema
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

TYPES = ["boolean", "integer", "long", "float", "double", "string", "datetime", "binary"]
CELLS = ["1", "0", "2", "1.0", "1.5", "-1", "1e3", "0.1", "3000000000", "9223372036854775807", "1e30", "true",
         "false", "null", '"1"', '"1.5"', '"abc"', '"true"', '"2024-01-02"', '"2024-01-02T03:04:05.123456789"',
         '"2024-01-02T03:04:05+02:00"', '"AAEC"', '"AA=="', '"AA"', "[1]", "{}", '""', "NaN", '"nan"']
PAIRS = [("double", '[{"x":1.5},{}]'), ("string", '[{"x":"a"},{}]'), ("long", '[{"x":3},{}]'),
         ("datetime", '[{"x":"2024-01-02"},{}]'), ("double", '[{"y":1}]'), ("double", '[{"x":1,"y":2}]')]


def cases():
    for t in TYPES:
        for cell in CELLS:
            for required in (True, False):
                yield t, required, '[{"x":%s}]' % cell
    for t, rows in PAIRS:
        yield t, True, rows


def by_mlflow(schema, rows):
    """Values as sibyl writes them, or None when MLflow refuses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            df = dataframe_from_parsed_json(json.loads(rows), "records", schema)
            values = _enforce_schema(df, schema)["x"]
    except Exception:
        return None
    return [plain(v) for v in values.tolist()]


def plain(v):
    if v is None or (isinstance(v, float) and not math.isfinite(v)):
        return None
    if v is pd.NaT:
        return None
    if isinstance(v, pd.Timestamp):
        return v.to_datetime64().astype("M8[ns]")
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    return v


def same(t, ours, theirs):
    if ours is None or theirs is None:
        return ours is theirs
    if t == "datetime":
        return np.datetime64(ours, "ns") == theirs
    if t == "float":
        return np.float32(ours) == np.float32(theirs)
    if t == "string" and not isinstance(theirs, str):
        return True  # MLflow leaves numbers in string columns; ours have their text
    return ours == theirs and type(ours) is type(theirs)


def refused_on_purpose(t, cell):
    """Where MLflow's astype silently makes another value of it."""
    if t == "boolean":
        return cell not in ("0", "1", "1.0", "true", "false")
    if t in ("integer", "long"):
        return cell in ("0.1", "1.5", "1e30") or (t == "integer" and cell in ("3000000000", "9223372036854775807"))
    if t == "datetime":
        return cell in ("1.5", "1e30", "0.1")
    if t == "string":
        return cell in ("[1]", "{}")
    return t == "binary" and "2024" in cell


def accepted_on_purpose(t, required, cell):
    """Nulls of optional inputs, and times with a zone."""
    return (not required and cell == "null") or (t == "datetime" and "+02:00" in cell)


@pytest.mark.san
def test_cells_are_taken_and_refused_as_mlflow_does(tool_path):  # noqa: F811
    logging.disable(logging.WARNING)
    lines = []
    for t, required, rows in cases():
        lines.append(json.dumps([{"type": t, "name": "x", "required": required}]) + "\t" + rows)
    out = subprocess.run([tool_path, "--decode"], input="\n".join(lines) + "\n", text=True,
                         capture_output=True, check=True).stdout.splitlines()
    assert len(out) == len(lines)
    wrong = []
    for (t, required, rows), line in zip(cases(), out):
        schema = mlflow.types.Schema.from_json(json.dumps([{"type": t, "name": "x", "required": required}]))
        theirs, answer = by_mlflow(schema, rows), json.loads(line)
        ours = answer["values"]["x"] if "values" in answer else None
        cell = rows[6:-2] if rows.count("{") == 1 + rows.count("{}") else ""
        if ours is None and theirs is not None:
            good = refused_on_purpose(t, cell)
        elif ours is not None and theirs is None:
            good = accepted_on_purpose(t, required, cell)
        else:
            good = ours is None or accepted_on_purpose(t, required, cell)
            good = good or all(same(t, a, b) for a, b in zip(ours, theirs))
        if not good:
            wrong.append((t, required, rows, "ours", answer, "mlflow", theirs))
    logging.disable(logging.NOTSET)
    assert not wrong, "\n".join(map(str, wrong))
