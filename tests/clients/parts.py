"""A file that goes up in parts and comes down in ranges: parts.py URL FOLDER. The thresholds are in the environment."""
import os
import pathlib
import sys

import mlflow

url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
mlflow.set_tracking_uri(url)
client = mlflow.MlflowClient()
run = client.create_run("0").info.run_id
for size in (3_000_000, 5_300_123, 20):
    name = f"b\u00efg {size}.bin"
    (folder / name).write_bytes(os.urandom(size))
    client.log_artifact(run, str(folder / name), "deep/er")
    down = client.download_artifacts(run, f"deep/er/{name}")
    assert pathlib.Path(down).read_bytes() == (folder / name).read_bytes()
print(run)
