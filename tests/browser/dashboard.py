"""What tests of the dashboard's pages share: hostile strings, the looks, a platform with them in every place a caller chooses."""
import contextlib
import pathlib
import sys

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parent.parent)]

from page import Page  # noqa: E402
from sibyl import ROOT, Sibyl, request, wait_for  # noqa: E402

ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
SPECIES = {"setosa": ROW, "versicolor": {"sepal_length": 6.0, "sepal_width": 2.7, "petal_length": 4.2, "petal_width": 1.3},
           "virginica": {"sepal_length": 6.5, "sepal_width": 3.0, "petal_length": 5.8, "petal_width": 2.2}}
# Each sets window.hacked if it ever becomes markup or code.
NAUGHTY = ['<img src=x onerror="window.hacked=1">', "<script>window.hacked=1</script>", '"><svg/onload=window.hacked=1>', "javascript:window.hacked=1", "{{constructor.constructor('window.hacked=1')()}}",
           "'; window.hacked=1; //", "${window.hacked=1}", "\u202egnp.live", "<b>bold</b>&amp;"]


@contextlib.contextmanager
def a_page():
    p = Page()
    try:
        p.size(1600, 900)
        yield p
    finally:
        p.close()


@contextlib.contextmanager
def platform(*, models=("iris",), shadow=False, args=()):
    """`sibyl up` with these models live (version 1 in production, version 2 as shadow)."""
    with Sibyl(*args) as s:
        for name in models:
            s.register(name, ROOT / "share/samples/iris-forest", alias="production")
            if shadow:
                s.register(name, ROOT / "share/samples/iris-boosted", alias="shadow", wait=0)
                wait_for("the shadow", 60, lambda name=name: (s.model(name).get("shadow") or {}).get("version") == "2")
        yield s


def check_looks(page, name, widths=(360, 900, 1600)):
    """Three widths, light and dark: not wider than the window, text readable, nothing on the console."""
    for width in widths:
        for dark in [False, True]:
            page.size(width, 900, dark)
            page.eval("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
            page.screenshot(f"{name}-{width}{'-dark' if dark else ''}")
            assert page.overflow() <= 0, f"{width} px: wider than the window"
            assert page.low_contrast() == [], f"{width} px, dark={dark}"
    assert page.problems == []
