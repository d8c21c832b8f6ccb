"""Native predictions against the libraries' own, bit for bit, on generated models with edge rows."""
import json
import subprocess

LEAST_MODELS = 60


def same(got, want):
    """Errors only have to be errors: the texts are ours."""
    return got == want or (want == "error" and got.startswith("error "))


def differences(got, want):
    if len(got) != len(want):
        return [f"{len(got)} lines instead of {len(want)}: {got[:1]}"]
    return [f"row {i}: {g!r} instead of {w!r}" for i, (g, w) in enumerate(zip(got, want)) if not same(g, w)]


def test_models_are_bit_equal_to_their_libraries(tool, models, tmp_path, capsys):
    listed = json.loads((models / "list.json").read_text())
    jobs = [f"{models}/{m['name']}/model {models}/{m['name']}/rows.f64 {m['ncols']} {tmp_path}/{m['name']}.image "
            f"{tmp_path}/{m['name']}.out" for m in listed]
    subprocess.run([tool], input="\n".join(jobs) + "\n", text=True, check=True)
    rows = 0
    wrong = {}
    for m in listed:
        want = (models / m["name"] / "expect.txt").read_text().splitlines()
        found = differences((tmp_path / f"{m['name']}.out").read_text().splitlines(), want)
        rows += len(want)
        if found:
            wrong[m["name"]] = found
    different = sum(map(len, wrong.values()))
    with capsys.disabled():
        print(f"\n{len(listed)} models, {rows} rows, {different} different")
        for name, found in wrong.items():
            print(name, len(found), *found[:3], sep="\n  ")
    assert len(listed) >= LEAST_MODELS
    assert different == 0
