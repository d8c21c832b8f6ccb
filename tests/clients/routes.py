"""The routes of the real server of this interpreter, without those it calls by other names: JSON [[method, path]]."""
import json

from mlflow.server import app

rows = {(m, str(rule)) for rule in app.url_map.iter_rules() for m in rule.methods - {"HEAD", "OPTIONS"}}
print(json.dumps(sorted(rows)))
