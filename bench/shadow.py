"""What a shadow of ten times the cost does to the primary's p99, at half of the peak load.

Two programs, one with the shadow, are loaded in turn by requests that come at random times whatever the server
does (open_loop.c); latencies count from when a request was due.
"""
import json
import pathlib
import statistics
import tempfile

from harness import SERVER_CORE, Sibyl, pin, say
from overload import load, p99, trained

CONNECTIONS, TIMES = 64, 10
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
SCRIPT = """
import sys, mlflow, pandas as pd
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
d = load_iris(as_frame=True)
X = d.data.set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1)
y = d.target_names[d.target]
for name, trees in [("primary", 100), ("shadow", 100 * int(sys.argv[2]))]:
    mlflow.sklearn.save_model(RandomForestClassifier(trees, random_state=1).fit(X, y), sys.argv[1] + "/" + name, serialization_format="cloudpickle",
                              signature=infer_signature(X, pd.DataFrame({"species": y})))
"""


def counted(s, role):
    text = s.get("/metrics").body.decode()
    return sum(int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("sibyl_predictions_total{") and f'role="{role}"' in line)


def bench(row, o):
    with tempfile.TemporaryDirectory() as folder:
        body = pathlib.Path(folder) / "body.json"
        body.write_text(json.dumps(ROW))
        trained(SCRIPT, folder, TIMES)
        with Sibyl(model=False) as alone, Sibyl(model=False, args=("--routes", "{iris: {shadow: 'models:/heavy/1'}}")) as shadowed:
            for s in (alone, shadowed):
                s.register("heavy", folder + "/shadow")
                s.register("iris", folder + "/primary")
                pin(s.serving_pids(), SERVER_CORE)
            peak = load(alone.serving, "iris", body, CONNECTIONS, 0, o.seconds)["goodput"]
            without, with_shadow = [], []
            before = counted(shadowed, "shadow"), counted(shadowed, "primary")
            for _ in range(o.rounds):
                without.append(p99(load(alone.serving, "iris", body, CONNECTIONS, peak / 2, o.seconds), "ok_us"))
                with_shadow.append(p99(load(shadowed.serving, "iris", body, CONNECTIONS, peak / 2, o.seconds), "ok_us"))
            shadows, primaries = counted(shadowed, "shadow") - before[0], counted(shadowed, "primary") - before[1]
            say(f"  half of {peak:.0f} requests/s; the shadow took {shadows / primaries:.0%} of the rows; p99 without {without}, with {with_shadow}")
            if shadows < primaries / 100:
                raise RuntimeError("the shadow hardly ran")
            a, b = statistics.median(with_shadow), statistics.median(without)
            row(f"predict at half of the peak, with a shadow of {TIMES}× the cost: p99", a, "µs", "without the shadow", b, a / b, "≤ 1.05", a / b <= 1.05)
