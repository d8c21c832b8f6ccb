"""A notebook's day with real clients of three releases, on one server."""
import json

import pytest

from servers import PYTHONS, ROOT, run_python

STEPS = ["experiments", "runs", "datasets", "artifacts", "autolog", "models", "registry"]


@pytest.mark.parametrize("version", PYTHONS)
def test_a_day_with_client(registry, version):
    out = run_python(PYTHONS[version], ROOT / "tests/clients/day.py", registry.url)
    last = json.loads(out.strip().splitlines()[-1])
    assert last["version"].startswith(version)
    assert last["done"] == STEPS
