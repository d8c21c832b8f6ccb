"""examples/quickstart.ipynb runs from top to bottom against a fresh platform."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from sibyl import PYTHON, ROOT, SIBYL, Sibyl  # noqa: E402

RUN = """
import sys, nbformat
from nbclient import NotebookClient
nb = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(nb, timeout=300, kernel_name="python3", resources={"metadata": {"path": sys.argv[2]}}).execute()
outputs = sum(len(c.get("outputs", [])) for c in nb.cells)
print(len(nb.cells), "cells,", outputs, "outputs")
"""


def test_the_quickstart_notebook(tmp_path):
    with Sibyl() as s:
        env = {**s.env, "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{s.registry}", "SIBYL_SERVING_URL": f"http://127.0.0.1:{s.serving}", "SIBYL": str(SIBYL),
               "SIBYL_DATA": str(s.data), "GIT_PYTHON_REFRESH": "quiet", "PATH": f"{pathlib.Path(PYTHON).parent}:/usr/bin:/bin"}
        r = subprocess.run([PYTHON, "-c", RUN, ROOT / "examples/quickstart.ipynb", tmp_path], capture_output=True, text=True, env=env, timeout=600)
        assert r.returncode == 0, r.stderr[-6000:] + s.log()[-2000:]
        assert "cells" in r.stdout
        live = {m["name"]: m["live"]["backend"] for m in s.get("/models").json()["models"]}
        assert live == {"quickstart-forest": "native", "quickstart-careful": "python"}
