import contextlib
import sqlite3

import pytest

from servers import Ours, Real


@pytest.fixture(scope="session")
def registry():
    """Our MLflow API, shared by all tests of the folder."""
    with Ours() as s:
        yield s
        log = s.log()
        status = s.stop()
        assert status == 0, log[-4000:]
        assert "level=error" not in log, log[-4000:]


@pytest.fixture(scope="session")
def real(registry, tmp_path_factory):
    """A real `mlflow server` that opens a copy of the database our server wrote."""
    from script_registry import Script
    folder = tmp_path_factory.mktemp("real")
    Script(registry, "seed").run()
    plan = registry.call("POST", "/api/sibyl/1/gc/plan", {}).json()["items"]
    removed = [registry.call("POST", "/api/sibyl/1/gc/remove", item).json()["removed"] for item in plan]
    assert any(removed)  # so that it sees a database that was cleaned, too
    registry.copy_database(folder / "mlflow.db")
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    s = Real(folder).launch()
    try:
        yield s.wait(180)
    finally:
        s.stop()
