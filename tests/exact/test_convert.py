"""The converter child: real models, models for a worker, hostile and damaged files."""
import pickle
import shutil
import struct
import subprocess
import zipfile

import pytest

SKLEARN = """flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
  sklearn:
    pickled_model: model.pkl
"""


def convert(tool, folder, image):
    done = subprocess.run([tool, "child", str(folder), str(image)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.strip()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "MLmodel").write_text(SKLEARN)
    return path


@pytest.mark.parametrize("name, says", [
    ("rfc-cloudpickle", "native: sklearn sklearn.ensemble._forest.RandomForestClassifier 9 trees"),
    ("rfc-skops", "native: sklearn sklearn.ensemble._forest.RandomForestClassifier 9 trees"),
    ("xgbc-2", "native: xgboost xgboost.sklearn.XGBClassifier 15 trees"),
    ("xgb-multi-softprob-json", "native: xgboost xgboost.core.Booster 48 trees"),
])
def test_models_pass_the_sandbox(tool, models, tmp_path, name, says):
    assert convert(tool, models / name / "model", tmp_path / "image") == (0, says)


class Call:
    def __reduce__(self):
        return print, ("this must never be printed",)


def bomb():
    """A file of 1 MB that asks for a million small values."""
    return b"](" + b"N" * 1_000_000 + b"e."


def nested():
    return b"(" * 100_000


def zip_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("schema.json", b" " * 300_000_000)


@pytest.mark.parametrize("content, code, says", [
    (pickle.dumps(Call(), 0), 0, "worker: class __builtin__.print is not supported (byte "),
    (pickle.dumps(Call(), 4), 0, "worker: class builtins.print is not supported (byte "),
    (b"", 1, "CORRUPT: damaged pickle: file ends before STOP (byte 0)"),
    (b"\x80\x04\x95" + struct.pack("<Q", 1 << 62), 1, "CORRUPT: damaged pickle: frame beyond the end"),
    (b"\x80\x04B\xff\xff\xff\xff", 1, "CORRUPT: damaged pickle: length beyond the end"),
    (bomb(), 1, "LIMIT: damaged pickle: needs more memory"),
    (nested(), 1, "LIMIT: damaged pickle: nested too deep"),
    (b"PK\x03\x04", 1, "CORRUPT: zip archive: "),
], ids=["call-protocol-0", "call-protocol-4", "empty", "frame", "length", "memory", "nesting", "zip"])
def test_hostile_files_are_refused(tool, folder, tmp_path, content, code, says):
    (folder / "model.pkl").write_bytes(content)
    got = convert(tool, folder, tmp_path / "image")
    assert got[0] == code
    assert got[1].startswith(says), got[1]


def test_a_zip_bomb_is_refused(tool, folder, tmp_path):
    zip_bomb(folder / "model.pkl")
    assert convert(tool, folder, tmp_path / "image") == (
        1, "LIMIT: zip archive: entries larger than an archive of its length may hold")


def test_every_truncation_of_a_model_is_an_error(tool, models, folder, tmp_path):
    for name, file in [("dtc-p2", "model.pkl"), ("dtc-skops", "model.skops")]:
        whole = (models / name / "model" / file).read_bytes()
        for n in range(1, 24):
            (folder / "model.pkl").write_bytes(whole[:len(whole) * n // 24])
            code, says = convert(tool, folder, tmp_path / "image")
            assert code == 1 and says.startswith("CORRUPT: "), says


def test_a_symlink_out_of_the_folder_is_refused(tool, models, folder, tmp_path):
    shutil.copy(models / "dtc-p2" / "model" / "model.pkl", tmp_path / "outside.pkl")
    (folder / "model.pkl").symlink_to(tmp_path / "outside.pkl")
    code, says = convert(tool, folder, tmp_path / "image")
    assert code == 1 and says.startswith("DENIED: "), says


def test_a_folder_in_place_of_the_file_is_an_error(tool, folder, tmp_path):
    (folder / "model.pkl").mkdir()
    code, says = convert(tool, folder, tmp_path / "image")
    assert code == 1 and "model.pkl" in says
