"""Native pipelines and linear models against scikit-learn: what the steps make is equal bit by bit, what ends in a
BLAS is as close as the sum's own rounding allows."""
import json
import subprocess

LEAST_MODELS = 150


def close(got, want, off):
    g, w = float.fromhex(got), float.fromhex(want)
    return got == want or g == w or (g != g and w != w) or abs(g - w) <= float.fromhex(off)


def differs(got, want, exact):
    """What is wrong with one line of the tool, or None."""
    if want is None:
        return None if got.startswith("error ") else "accepted, which scikit-learn refuses"
    if got.startswith("error "):
        return f"refused: {got}"
    pred, _, proba = got.partition(" |")
    values, chances = pred.split(" "), proba.split()
    if "off" in want:
        same = len(values) == len(want["pred"]) and all(map(close, values, want["pred"], want["off"]))
    else:
        same = want.get("free") or pred == " ".join(want["pred"]) or (exact and zeros_equal(values, want["pred"]))
    if not same:
        return "another prediction"
    wanted = want.get("proba", [])
    if len(chances) != len(wanted) or not all(map(close, chances, wanted, want.get("poff", ["0x0p+0"] * len(wanted)))):
        return "other probabilities"
    return None


def zeros_equal(got, want):
    """0.0 and -0.0: the identity that the last step computes adds zeros."""
    try:
        return len(got) == len(want) and all(g == w or float.fromhex(g) == float.fromhex(w) == 0 for g, w in zip(got, want))
    except ValueError:
        return False


def differences(lines, want, exact):
    if not lines or lines[0].startswith("worker "):
        return [f"not native: {lines[:1]}"]
    at = lines.index("together")
    found = []
    for where, got, expect in [("alone", lines[:at], want["alone"]), ("together", lines[at + 1:], want["together"])]:
        if expect is None:
            found += [] if got[0].startswith("error ") else ["together: accepted, which scikit-learn refuses"]
        elif len(got) != len(expect):
            found.append(f"{where}: {len(got)} lines instead of {len(expect)}: {got[:1]}")
        else:
            wrong = [(i, differs(g, w, exact), g, w) for i, (g, w) in enumerate(zip(got, expect))]
            found += [f"{where} row {i}: {why}: {g!r} instead of {w!r}" for i, why, g, w in wrong if why]
    return found


def test_pipelines_answer_as_scikit_learn_does(tool, pipelines, tmp_path, capsys):
    listed = json.loads((pipelines / "list.json").read_text())
    jobs = [f"{pipelines}/{m['name']}/model {pipelines}/{m['name']}/request.txt {tmp_path}/{m['name']}.image "
            f"{tmp_path}/{m['name']}.out" for m in listed]
    done = subprocess.run([tool, "typed"], input="\n".join(jobs) + "\n", text=True, stderr=subprocess.PIPE)
    rows, wrong = 0, {}
    for m in listed:
        want = json.loads((pipelines / m["name"] / "expect.json").read_text())
        found = differences((tmp_path / f"{m['name']}.out").read_text().splitlines(), want, m["exact"])
        rows += m["rows"]
        if found:
            wrong[m["name"]] = found
    different = sum(map(len, wrong.values()))
    with capsys.disabled():
        print(f"\n{len(listed)} pipelines, {rows} rows, {different} different")
        for name, found in wrong.items():
            print(name, len(found), *[line[:600] for line in found[:3]], sep="\n  ")
    assert done.returncode == 0, done.stderr
    assert len(listed) >= LEAST_MODELS
    assert different == 0
