import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import models  # noqa: E402
from sibyl import Sibyl  # noqa: E402


@pytest.fixture(scope="session")
def model_folder():
    return models.folder()


@pytest.fixture(scope="session")
def served(model_folder):
    """One platform with the iris forest (native) live; tests must leave it as it is."""
    with Sibyl() as s:
        s.register("iris", model_folder / "forest", alias="production")
        yield s
        assert s.stop() == 0, s.log()[-4000:]


@pytest.fixture
def fresh(model_folder):
    """A platform of the test's own, without models."""
    with Sibyl() as s:
        yield s
