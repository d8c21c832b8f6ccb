"""MLflow's own GraphQL over a copy of sibyl's database, in this process: reads requests as a JSON list, prints the answers."""
import json
import os
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
os.environ["_MLFLOW_SERVER_FILE_STORE"] = f"sqlite:///{folder}/mlflow.db"
os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = "mlflow-artifacts:/"
os.environ["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] = str(folder / "artifacts")
os.environ["_MLFLOW_SERVER_SERVE_ARTIFACTS"] = "true"

from mlflow.server import app  # noqa: E402

client = app.test_client()
print(json.dumps([client.post("/graphql", json=r).get_json() for r in json.load(sys.stdin)]))
