"""Each public method of the client, in three releases: called with success, or known to be absent."""
import json

import pytest

from servers import PYTHONS, ROOT, run_python


@pytest.mark.parametrize("version", PYTHONS)
def test_every_method_of_client(registry, version):
    out = run_python(PYTHONS[version], ROOT / "tests/clients/methods.py", registry.url)
    last = json.loads(out.strip().splitlines()[-1])
    assert last["version"].startswith(version)
    assert last["neither"] == [], "methods that are neither called nor named as absent"
    assert last["called"] >= {"3.17.2": 90, "3.1.1": 88, "2.22": 64}[version]
