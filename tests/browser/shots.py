#!/usr/bin/env python3
"""The README's pictures: shots.py [FOLDER] writes overview.png and events.png (default docs/) of a platform with a minute of traffic."""
import base64
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from dashboard import ROOT, SPECIES, Sibyl, a_page, wait_for  # noqa: E402

SECONDS = 60


def traffic(s, rnd, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        row = {k: round(v + rnd.gauss(0, 0.35), 1) for k, v in rnd.choice(list(SPECIES.values())).items()}
        if rnd.random() < 0.02:
            row["petal_width"] = "wide"
        s.post("/models/iris/predict", row, headers={"X-User-Id": rnd.choice(["ada", "grace", "linus", "margaret"]), "X-Tag-Channel": rnd.choice(["web", "app", "batch"])})
        time.sleep(rnd.expovariate(1 / 0.02))


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs")
    with Sibyl() as s, a_page() as page:
        s.register("iris", ROOT / "share/samples/iris-forest", alias="production")
        s.register("iris", ROOT / "share/samples/iris-forest", alias="shadow", wait=0)
        wait_for("the shadow", 60, lambda: s.model("iris").get("shadow"))
        traffic(s, random.Random(5), SECONDS)
        now = int(time.time() * 1000)
        span = f"from={now - SECONDS * 1000}&to={now}"
        page.size(1440, 1080)
        for name, path, ready in [("overview", f"/?{span}", "Chart.getChart(document.querySelector('#memory canvas')) && document.querySelector('#room table')"),
                                  ("events", f"/events?{span}&q=role:primary", "document.querySelectorAll('#list tbody tr').length > 30")]:
            page.go(f"http://127.0.0.1:{s.dashboard}{path}")
            page.wait(f"!!({ready})")
            if name == "events":
                page.eval("[...document.querySelectorAll('#list tbody tr')].slice(3).find(r => r.innerText.includes('ok')).cells[0].click()")
                page.wait("document.querySelectorAll('#detail .near li').length > 2 && !!document.querySelector('#detail .other')")
            page.eval("new Promise(r => setTimeout(() => requestAnimationFrame(r), 300))")
            (folder / f"{name}.png").write_bytes(base64.b64decode(page.call("Page.captureScreenshot", format="png")["data"]))


main()
