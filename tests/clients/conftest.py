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
    registry.copy_database(folder / "mlflow.db")
    s = Real(folder).launch()
    try:
        yield s.wait(180)
    finally:
        s.stop()
