"""What the workers' interpreter has: Python, mlflow, and packages that models ask for. For `sibyl doctor`.

Arguments: requirements.txt files of models. Prints one JSON object: python, mlflow (version or null), error (why mlflow
cannot be imported, or null), missing: a list of {file, package, wants, has}. Imports nothing from the models.
"""

import importlib.metadata
import json
import os
import platform
import re
import sys

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;#,]+)\s*(?:[;#].*)?$")


def installed(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def missing(file):
    """Pinned packages (NAME==VERSION lines) that are not there in just that version."""
    with open(file, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            pin = PIN.match(line.strip())
            if pin and installed(pin[1]) != pin[2]:
                yield {"file": file, "package": pin[1], "wants": pin[2], "has": installed(pin[1])}


def main():
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    out = {"python": platform.python_version(), "mlflow": None, "error": None, "missing": []}
    answer = os.dup(1)
    os.dup2(2, 1)  # what an import prints is not the answer
    try:
        import mlflow.pyfunc  # noqa: F401
        out["mlflow"] = installed("mlflow") or installed("mlflow-skinny") or "?"
    except BaseException as e:
        out["error"] = f"{type(e).__name__}: {e}"
    for file in sys.argv[1:]:
        out["missing"] += missing(file)
    os.write(answer, json.dumps(out).encode())


main()
