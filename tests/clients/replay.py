"""REST calls whose answers two servers must agree on (the scripts are in script_*.py), and what makes answers
comparable."""
import json
import re
import time

API = "/api/2.0/mlflow/"


class Replay:
    """Runs calls against one server and keeps (label, status, answer). `tag` makes names of one replay
    differ from those of another on the same database."""

    def __init__(self, server, tag):
        self.server, self.tag, self.answers, self.answered = server, tag, [], 0

    def call(self, method, path, body=None, query=None, label=None, **kw):
        full = path if path.startswith("/") else API + path
        # moments are counted in ms: two objects of one would come in any order
        while method != "GET" and time.time_ns() // 1_000_000 == self.answered:
            pass
        r = self.server.call(method, full, body, query, **kw)
        self.answered = time.time_ns() // 1_000_000
        try:
            answer = r.json()
        except ValueError:
            answer = {"text": r.body.decode(errors="replace")}
        self.answers.append((label or f"{method} {path} {json.dumps(body or query)}", r.status, answer))
        return answer

    def post(self, path, /, **body):
        return self.call("POST", path, body)

    def get(self, path, /, **query):
        return self.call("GET", path, query=query)


# -- comparing --

SORTED = {"tags", "params", "metrics", "aliases", "files", "latest_versions"}
TIMES = re.compile(r"(^|_)(time|timestamp|timestamp_ms)$")
RANDOM = [("RUN", re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")), ("NAME", re.compile(r"^[a-z]+-[a-z]+-\d{1,3}$"))]


class Normal:
    """Ids by the order they appear in, moments as their presence, sets in one order. Without a start,
    ids and moments stay: two servers on the same rows."""

    def __init__(self, start):
        self.start, self.seen = start, {}

    def text(self, s):
        if s.startswith('[{"run_id"'):  # mlflow.log-model.history: JSON text, which differs in blanks and nulls
            s = json.dumps([{k: v for k, v in x.items() if v is not None} for x in json.loads(s)])
        if s.startswith('[{"name"'):  # mlflow.modelVersions: the version is a number or, from 3.18 on, text
            s = json.dumps([{k: str(v) for k, v in sorted(x.items())} for x in json.loads(s)])
        s = re.sub(r"(.)\1{59,}", lambda m: f"<{m[1]} x {len(m[0])}>", s)
        # Python prints sets in any order
        s = re.sub(r"'?\{('[^{}]*')\}'?", lambda m: "{" + ", ".join(sorted(m[1].split(", "))) + "}", s)
        for kind, pattern in RANDOM if self.start else ():
            s = pattern.sub(lambda m: self.seen.setdefault(m[0], f"<{kind}{len(self.seen)}>"), s)
        return s

    def value(self, v, key=""):
        if isinstance(v, dict):
            # error_class and sqlstate are newer companions of error_code that no client reads; an
            # empty object in an answer is the absence of what it would hold
            out = {k: self.value(x, k) for k, x in sorted(v.items()) if k not in ("error_class", "sqlstate")}
            if "current_stage" in out:  # a model version; ours also says which logged model it is of
                out.pop("model_id", None)
            return {k: x for k, x in out.items() if x != {}}
        if isinstance(v, list):
            v = [self.value(x) for x in v]
            if key in SORTED:
                v.sort(key=lambda x: json.dumps(x, sort_keys=True))
            return v
        if key == "next_page_token":
            return "<TOKEN>"
        if isinstance(v, (int, float)) and not isinstance(v, bool) and self.start and TIMES.search(key) and v >= self.start:
            return "<NOW>"
        if isinstance(v, str):
            return self.text(v)
        return v


def around(this, other):
    """Status and body, from shortly before the first difference on."""
    a, b = json.dumps(this[1]), json.dumps(other[1])
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"{this[0]} {'...' if at > 150 else ''}{a[max(0, at - 150):at + 350]}"


def differences(ours, theirs, start, explained):
    """Unexplained lines, and the reasons that were used. explained: [(pattern of label, reason, what it covers)]."""
    a, b = Normal(start), Normal(start)
    lines, used = [], set()
    assert len(ours) == len(theirs)
    for (label, s1, v1), (label2, s2, v2) in zip(ours, theirs):
        label = a.text(label)
        b.text(label2)  # ids are numbered as they appear, here too
        n1, n2 = (s1, a.value(v1)), (s2, b.value(v2))
        if n1 == n2:
            continue
        for pattern, reason, covers in explained:
            if re.search(pattern, label) and covers(n1, n2):
                used.add(reason)
                break
        else:
            lines.append(f"{label[:300]}\n    ours   {around(n1, n2)}\n    theirs {around(n2, n1)}")
    return lines, used
