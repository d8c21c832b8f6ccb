"""Tree kernels against the libraries that trained the models and those that compile them: section `trees` of bench/run.py.

Four shapes (d6: 100 trees of depth 6; d8: 500 of depth 8; l31: 500 of 31 leaves, grown leaf by leaf; rf: 100 full trees), trained by XGBoost,
LightGBM and scikit-learn on the same 20,000 rows of 30 features. Every peer computes the same model through its C interface in a process of its
own on one core; sibyl is measured at the same level, from an array of values to an array of predictions, inputs made ready and transforms
included. Rounds are interleaved over all peers; a figure is the median over rounds of the median of a tenth of a second of calls.
A peer that could not be installed, or could not take the model, is shown as absent. All figures, and which kernels served, are in build/bench-trees.json.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

from harness import LOAD_CORE, ROOT, say, sibyl

CACHE = pathlib.Path(os.environ.get("SIBYL_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "sibyl")
XGBOOST = "3.4.1"  # declares Python 3.12; its wheel has no Python code that needs it
GOAL = 1.5
PEERS = {"xgb": ["XGBoost", "ONNX Runtime", "tl2cgen"], "lgb": ["LightGBM", "ONNX Runtime", "tl2cgen", "lleaves"], "rf": ["ONNX Runtime"]}
SIZES = {1: "one row", 1000: "batch of 1,000, per row"}
MODELS = {
    "xgb_d6": "XGBoost, 100 trees of depth 6", "xgb_d8": "XGBoost, 500 trees of depth 8", "xgb_l31": "XGBoost, 500 trees of 31 leaves",
    "lgb_d6": "LightGBM, 100 trees of depth 6", "lgb_d8": "LightGBM, 500 trees of depth 8", "lgb_l31": "LightGBM, 500 trees of 31 leaves",
    "rf": "scikit-learn, forest of 100 full trees",
}


def environment():
    """The interpreter of the peers' environment."""
    python = subprocess.run([ROOT / "tools/python-env", "bench", ROOT / "tests/envs/bench.txt"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    mark = pathlib.Path(python).parents[1] / f".xgboost-{XGBOOST}"
    if not mark.exists():
        say(f"  installing xgboost-cpu {XGBOOST}")
        done = subprocess.run([python, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps", "--ignore-requires-python", f"xgboost-cpu=={XGBOOST}"])
        if done.returncode == 0:
            mark.touch()
    return python


def one(folder, pattern):
    """The only file that matches, or None."""
    found = sorted(folder.glob(pattern))
    return found[0] if found else None


def commands(tool, site, models):
    """{model: {peer: arguments}}; a peer whose files are missing is not there."""
    libraries = {"XGBoost": one(site, "xgboost/lib/libxgboost.so"), "LightGBM": one(site, "lightgbm/lib/lib_lightgbm.so"),
                 "ONNX Runtime": one(site, "onnxruntime/capi/libonnxruntime.so.*")}
    all_ = {}
    for name in MODELS:
        rows, kind = [models / "X.bin", "30", models / f"{name}.want"], name[:3]
        peers = {"sibyl": ["sibyl", *rows, models / name, models / f"{name}.img"]}
        if kind == "xgb" and libraries["XGBoost"]:
            peers["XGBoost"] = ["xgboost", *rows, libraries["XGBoost"], models / name / "model.ubj"]
        if kind == "lgb" and libraries["LightGBM"]:
            peers["LightGBM"] = ["lightgbm", *rows, libraries["LightGBM"], models / name / "model.lgb"]
        if libraries["ONNX Runtime"] and (models / f"{name}.onnx").exists():
            peers["ONNX Runtime"] = ["onnxruntime", *rows, libraries["ONNX Runtime"], models / f"{name}.onnx", "variable"]
        if (models / f"{name}.tl2cgen.so").exists():
            peers["tl2cgen"] = ["tl2cgen", *rows, models / f"{name}.tl2cgen.so", "double" if kind == "lgb" else "float"]
        if (models / f"{name}.lleaves.so").exists():
            peers["lleaves"] = ["lleaves", *rows, models / f"{name}.lleaves.so"]
        all_[name] = {peer: ["taskset", "-c", str(LOAD_CORE), tool, *args] for peer, args in peers.items()}
    return all_


class Peer:
    """One process of bench/tree_bench.c."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about = json.loads(self.read())

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args}: ended early")
        return line

    def ns(self, rows):
        self.process.stdin.write(f"{rows}\n")
        self.process.stdin.flush()
        return float(self.read())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def versions(site):
    """Versions of the peers, from their package data."""
    found = {}
    for d in site.glob("*.dist-info"):
        name, version = d.name.removesuffix(".dist-info").rsplit("-", 1)
        found[re.sub("[-_]", "-", name).lower()] = version
    return {peer: found.get(package) for peer, package in {"XGBoost": "xgboost-cpu", "LightGBM": "lightgbm", "ONNX Runtime": "onnxruntime", "tl2cgen": "tl2cgen",
                                                           "lleaves": "lleaves", "scikit-learn": "scikit-learn"}.items()}


def measure(name, commands_of, rounds):
    """{peer: {"about", rows: median ns}} of one model; a peer that fails is told and left out."""
    peers = {}
    for peer, command in commands_of.items():
        try:
            peers[peer] = Peer(command)
        except RuntimeError as e:
            if peer == "sibyl":
                raise
            say(f"  {name}: {peer} is absent: {e}")
    times = {peer: {n: [] for n in SIZES} for peer in peers}
    try:
        for _ in range(rounds):
            for n in SIZES:
                for peer, p in peers.items():
                    times[peer][n].append(p.ns(n))
        return {peer: {"about": p.about, **{n: statistics.median(times[peer][n]) for n in SIZES}} for peer, p in peers.items()}
    finally:
        for p in peers.values():
            p.close()


LOAD = "import pickle, sys, time; import sklearn.ensemble; b = time.perf_counter(); pickle.load(open(sys.argv[1], 'rb')); print(time.perf_counter() - b)"


def bench_conversion(row, rounds, python, model):
    """The whole of what a new version costs before it can be opened, its kernels' timing included, in the sandboxed process."""
    ours, theirs = [], []
    size = (model / "model.pkl").stat().st_size / 1e6
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            begin = time.perf_counter()
            subprocess.run(["taskset", "-c", str(LOAD_CORE), sibyl.SIBYL, "convert", model, folder + "/image"], check=True, stdout=subprocess.DEVNULL)
            ours.append(time.perf_counter() - begin)
            theirs.append(float(subprocess.run(["taskset", "-c", str(LOAD_CORE), python, "-c", LOAD, model / "model.pkl"], check=True, capture_output=True, text=True).stdout))
    a, b = statistics.median(ours), statistics.median(theirs)
    row(f"conversion of scikit-learn's forest, {size:.0f} MB", a, "s", "pickle.load of it", b, b / a, "≤ 2 s", a <= 2)


def bench(row, rounds):
    """row: bench/run.py's, one call per line of its table."""
    python = environment()
    site = one(pathlib.Path(python).parents[1], "lib/python3.*/site-packages")
    models = CACHE / "bench-trees-1"
    say("  models and their compiled forms (made once; tl2cgen and lleaves may take 20 minutes)")
    subprocess.run(["nice", "-19", python, ROOT / "bench/tree_models.py", models], check=True, stdout=2)
    detail = {"versions": versions(site), "models": {}}
    for name, commands_of in commands(sibyl.SIBYL.parent / "tests/tree_bench", site, models).items():
        r = measure(name, commands_of, rounds)
        ours = r["sibyl"]
        if ours["about"]["equal"] != ours["about"]["rows"]:
            raise RuntimeError(f"{name}: {ours['about']['rows'] - ours['about']['equal']} rows differ from the library")
        detail["models"][name] = {peer: {"one_row_ns": v[1], "batch_row_ns": v[1000], "rows_equal_to_the_library": v["about"]["equal"]} for peer, v in r.items()}
        detail["models"][name]["sibyl"]["kernels"] = ours["about"]["detail"]
        say(f"  {name}: {ours['about']['detail']}; bit-equal to the library in all {ours['about']['rows']} rows")
        for n, words in SIZES.items():
            others = {peer: v[n] for peer, v in r.items() if peer != "sibyl"}
            if not others:
                say(f"  {name}: no peer")
                continue
            best = min(others, key=others.get)
            rest = [f"{peer} {v / 1e3:.3g}" for peer, v in sorted(others.items(), key=lambda i: i[1]) if peer != best]
            rest += [f"{peer} absent" for peer in PEERS[name[:3]] if peer not in others]
            row(f"{MODELS[name]}: {words}", ours[n] / 1e3, "µs", best + (f" (others: {', '.join(rest)})" if rest else ""), others[best] / 1e3, others[best] / ours[n],
                f"≥ {GOAL}× the best", others[best] / ours[n] >= GOAL)
    bench_conversion(row, rounds, python, models / "rf")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build/bench-trees.json").write_text(json.dumps(detail, indent=1))
