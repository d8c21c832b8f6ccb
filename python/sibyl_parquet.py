"""Reads Parquet for sibyl: one body after another, each into tensors of the Open Inference Protocol.

Frames over the socket --fd as in docs/formats/worker-protocol.md, with kinds of its own: READ to us (u32
flags: 1 = all columns as one matrix; then the file), and back TABLE (u32 length, JSON, raw tensors), REFUSED or
TOO_LARGE (text). READY and FAILED (text) come first. Needs pyarrow and numpy, nothing else."""

import argparse
import base64
import json
import os
import socket
import struct
import sys

from sibyl_worker import protect, receive

READ, READY, FAILED, TABLE, REFUSED, TOO_LARGE = 32, 16, 17, 33, 34, 35
ROWS_MAX, COLUMNS_MAX, BYTES_MAX = 100000, 4160, 256 << 20


class TooLarge(Exception):
    pass


def send(sock, kind, body):
    sock.sendall(struct.pack("<II", len(body), kind))
    sock.sendall(body)


def load():
    global pa, pq, np
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)


def read(body):
    """The table, once its own head says that it is not too large."""
    f = pq.ParquetFile(pa.BufferReader(pa.py_buffer(body)), thrift_string_size_limit=16 << 20, thrift_container_size_limit=1 << 20)
    meta = f.metadata
    size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
    for have, most, what in [(meta.num_rows, ROWS_MAX, "rows"), (meta.num_columns, COLUMNS_MAX, "columns"), (size, BYTES_MAX, "bytes when unpacked")]:
        if have > most:
            raise TooLarge("the table has more than %d %s" % (most, what))
    table = f.read(use_threads=False)
    if table.num_rows > ROWS_MAX or table.nbytes > BYTES_MAX:
        raise TooLarge("the table is larger than its own head says")
    return table


# ---- columns as tensors ----


def raw_bytes(values):
    return b"".join(struct.pack("<I", len(v)) + v for v in values)


def moment(v):
    """ISO 8601 with all the digits there are; times of a zone in UTC."""
    text = np.datetime_as_string(np.datetime64(v, "ns"))
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain(v):
    """For JSON text: what has no JSON becomes text."""
    if isinstance(v, dict):
        return {str(k): plain(x) for k, x in v.items()}
    if isinstance(v, (list, tuple)):
        return [plain(x) for x in v]
    if isinstance(v, bytes):
        return base64.b64encode(v).decode()
    return v if v is None or isinstance(v, (bool, int, float, str)) else str(v)


def moments(a):
    if pa.types.is_date(a.type) or a.type.unit != "ns" or a.type.tz:
        a = a.cast(pa.timestamp("ns"))
    return [None if v is None else moment(v) for v in a.cast(pa.int64()).to_pylist()]


def tensor(name, a):
    """(datatype, raw bytes) or (datatype, list for JSON) of one column."""
    t = a.type
    if pa.types.is_dictionary(t):
        return tensor(name, a.cast(t.value_type))
    if pa.types.is_floating(t):  # a missing value is NaN
        size = {"halffloat": "FP16", "float": "FP32", "double": "FP64"}[str(t)]
        return size, a.to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_boolean(t) or pa.types.is_integer(t):
        kind = str(t).upper()
        return kind, a.to_pylist() if a.null_count else a.to_numpy(zero_copy_only=False).tobytes()
    if pa.types.is_null(t):
        return "FP64", np.full(len(a), np.nan).tobytes()
    if pa.types.is_string(t) or pa.types.is_large_string(t):
        a = a.cast(pa.large_binary())
        return "BYTES", [None if v is None else v.decode() for v in a.to_pylist()] if a.null_count else raw_bytes(a.to_pylist())
    if pa.types.is_binary(t) or pa.types.is_large_binary(t) or pa.types.is_fixed_size_binary(t):
        values = a.to_pylist()
        return "BYTES", [None if v is None else base64.b64encode(v).decode() for v in values] if a.null_count else raw_bytes(values)
    if pa.types.is_timestamp(t) or pa.types.is_date(t):
        return "BYTES", moments(a)
    if pa.types.is_decimal(t):
        return "BYTES", [None if v is None else str(v) for v in a.to_pylist()]
    if pa.types.is_nested(t):
        return "BYTES", [None if v is None else json.dumps(plain(v)) for v in a.to_pylist()]
    raise ValueError("column %s has type %s, which no model input takes" % (name, t))


def matrix(table):
    """All columns as one tensor of doubles, for a model whose input is one."""
    columns = []
    for name, column in zip(table.column_names, table.columns):
        t = column.type
        if not (pa.types.is_floating(t) or pa.types.is_integer(t) or pa.types.is_boolean(t)):
            raise ValueError("column %s has type %s, the model wants numbers" % (name, t))
        columns.append(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    data = np.stack(columns, axis=1).tobytes()
    head = {"name": "table", "datatype": "FP64", "shape": [table.num_rows, table.num_columns], "parameters": {"binary_data_size": len(data)}}
    return {"inputs": [head]}, [data]


def encode(table, as_matrix):
    if not table.num_rows or not table.num_columns:
        raise ValueError("the table has no %s" % ("columns" if table.num_rows else "rows"))
    if as_matrix:
        request, blobs = matrix(table)
    else:
        request, blobs = {"inputs": []}, []
        for name, column in zip(table.column_names, table.columns):
            datatype, data = tensor(name, column.combine_chunks() if column.num_chunks != 1 else column.chunk(0))
            head = {"name": name, "datatype": datatype, "shape": [table.num_rows]}
            if isinstance(data, bytes):
                head["parameters"] = {"binary_data_size": len(data)}
                blobs.append(data)
            else:
                head["data"] = data
            request["inputs"].append(head)
    text = json.dumps(request, ensure_ascii=False).encode()
    return struct.pack("<I", len(text)) + text + b"".join(blobs)


def answer(body):
    """(kind, body) of the reply to one READ."""
    try:
        (flags,) = struct.unpack_from("<I", body)
        return TABLE, encode(read(body[4:]), flags & 1)
    except (TooLarge, MemoryError) as e:
        return TOO_LARGE, (str(e) or "the table takes more memory than one request may").encode()
    except Exception as e:  # whatever a broken file makes pyarrow raise
        return REFUSED, ("not readable as Parquet: %s" % e if isinstance(e, pa.ArrowException) or isinstance(e, OSError) else str(e)).encode()[:2000]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", default="")
    p.add_argument("--fd", type=int, required=True)
    p.add_argument("--title", default="")
    p.add_argument("--memory", type=int, default=0)
    p.add_argument("--parent", type=int, default=0)
    args = p.parse_args()
    protect(args)
    sock = socket.socket(fileno=args.fd)
    os.set_inheritable(args.fd, False)
    try:
        load()
    except BaseException as e:
        send(sock, FAILED, ("%s: %s" % (type(e).__name__, e)).encode()[:500])
        sys.exit(1)
    send(sock, READY, b"")
    while (frame := receive(sock)) is not None:
        kind, body = frame
        if kind != READ:
            raise ValueError("frame of unknown kind %d" % kind)
        send(sock, *answer(body))


if __name__ == "__main__":
    main()
