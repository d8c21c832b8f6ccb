"""A real MLflow server has no push: it is polled with one call, and whatever changes there is seen."""
import models
from sibyl import Sibyl, wait_for


def test_every_change_on_a_real_server_is_seen(real):
    folder = models.folder()
    with Sibyl("--registry-url", real.url, wait=False) as s:
        s.registry = real.port
        wait_for("serving", 30, lambda: s.get("/health").status == 200)

        def becomes(name, version, policy=None, shadow=None):
            def found():
                m = s.model(name)
                live = m.get("live", {})
                return (live.get("version"), policy and live.get("policy"), m.get("shadow", {}).get("version")) == (version, policy, shadow)
            wait_for(f"{name} {version}", 30, found)

        def stage(version, to):
            s.mlflow("POST", "model-versions/transition-stage", {"name": "watched", "version": version, "stage": to, "archive_existing_versions": False})

        s.register("watched", folder / "always-a", wait=60)
        s.register("watched", folder / "always-b", wait=60)
        becomes("watched", "2", "latest READY version")
        s.alias("watched", "production", 1)
        becomes("watched", "1", "alias production")
        s.alias("watched", "production", 2)
        becomes("watched", "2", "alias production")
        s.alias("watched", "shadow", 1)
        becomes("watched", "2", "alias production", shadow="1")
        s.mlflow("DELETE", "registered-models/alias", {"name": "watched", "alias": "production"})
        becomes("watched", "2", "latest READY version", shadow="1")
        s.mlflow("DELETE", "registered-models/alias", {"name": "watched", "alias": "shadow"})
        becomes("watched", "2", "latest READY version")
        stage("1", "Production")
        becomes("watched", "1", "stage Production")
        stage("1", "Archived")
        becomes("watched", None)
        stage("1", "None")
        becomes("watched", "2", "latest READY version")
        s.mlflow("DELETE", "model-versions/delete", {"name": "watched", "version": "2"})
        becomes("watched", "1", "latest READY version")
        s.mlflow("POST", "registered-models/rename", {"name": "watched", "new_name": "watched-on"})
        becomes("watched-on", "1", "latest READY version")
        wait_for("the old name gone", 20, lambda: not s.model("watched"))
        s.mlflow("DELETE", "registered-models/delete", {"name": "watched-on"})
        wait_for("its end", 20, lambda: not s.model("watched-on"))
        # a name that is used again counts its versions from 1: not what was fetched before
        s.register("watched", folder / "always-b", wait=60)
        row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
        assert s.post("/models/watched/predict", row).json()["prediction"] == {"name": "b"}
        s.mlflow("DELETE", "registered-models/delete", {"name": "watched"})
        assert s.stop() == 0
