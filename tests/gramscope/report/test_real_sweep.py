"""A sweep as its user runs it: Hydra's multirun, Lightning, the callback, the report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from gramscope.cli import main
from tests.gramscope.report.reading import Page, pixels, table_rows

ROOT = Path(__file__).parents[3]
FEATURES = ["teacher_cls_token", "student_cls_token", "teacher_cls_token_backbone"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="module")
def multirun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three jobs, one for each feature, and their report: ``printed.txt`` beside the page."""
    directory = tmp_path_factory.mktemp("real") / "multirun"
    command = [sys.executable, "-m", "tests.gramscope.report.app", "-m", "+callbacks=gram"]
    command += ["gram/files=run", "callbacks.gram.log_every_n_steps=2", "+max_steps=6"]
    command += [f"callbacks.gram.feature_key={','.join(FEATURES)}"]
    command += [f"hydra.sweep.dir={directory}", f"+directory={directory.parent}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with (directory / "printed.txt").open("w") as file, redirect_stdout(file):
        main(["sweep-report", str(directory)])
    return directory


@pytest.mark.slow
def test_the_report_shows_what_the_jobs_logged(multirun: Path) -> None:
    rows = table_rows((multirun / "printed.txt").read_text())
    page = Page(multirun / "sweep_report.html")

    assert [row["feature_key"] for row in rows] == FEATURES
    assert [(row["logged"], row["last step"]) for row in rows] == [("3", "6")] * 3
    assert page.steps == ["step 2", "step 4", "step 6"]
    for job, row in enumerate(page.cells):
        for step, cell in zip((2, 4, 6), row, strict=True):
            shown = pixels(cell.all("img")[0])
            npz = np.load(multirun / f"{job}/gram/gram_matrix/step_{step:08d}.npz")
            assert len(shown) == len(npz["gram"])
            # The more alike, the more green in viridis.
            order = np.argsort(npz["gram"].ravel())
            assert (np.diff(shown[..., 1].ravel()[order].astype(int)) >= -1).all()


def browse(*arguments: str) -> str:
    assert BROWSER is not None
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    done = subprocess.run([BROWSER, *flags, *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@pytest.mark.slow
@pytest.mark.skipif(
    BROWSER is None and not os.environ.get("CI"), reason="no Chromium or Chrome is installed"
)
def test_a_browser_shows_it(multirun: Path, tmp_path: Path) -> None:
    address = (multirun / "sweep_report.html").as_uri()
    picture = tmp_path / "page.png"

    browse(f"--screenshot={picture}", "--window-size=1400,1800", address)
    dom = browse("--dump-dom", address)

    image = PIL.Image.open(picture).convert("RGB")
    colours = {colour for _, colour in image.getcolors(1 << 24) or []}
    # Both ends of the scale are on it: the legend's, and the diagonals of the matrices.
    assert {(253, 231, 36), (68, 1, 84)} <= colours
    assert dom.count("data:image/png;base64,") == 9 + 1


@pytest.mark.slow
@pytest.mark.skipif(
    BROWSER is None and not os.environ.get("CI"), reason="no Chromium or Chrome is installed"
)
def test_a_wide_sweep_scrolls_in_its_own_frame(multirun: Path, tmp_path: Path) -> None:
    # The one script is the test's: a page cannot be measured from outside.
    probe = (
        "<script>document.title = [document.documentElement.scrollWidth, innerWidth,"
        "...[...document.querySelectorAll('section > .scroll')]"
        ".map(e => e.scrollWidth > e.clientWidth)]"
        "</script></body>"
    )
    html = (multirun / "sweep_report.html").read_text()
    page = tmp_path / "probed.html"
    page.write_text(html.replace("</body>", probe).replace("Content-Security-Policy", "x"))

    dom = browse("--dump-dom", "--window-size=600,800", page.as_uri())

    title = dom.partition("<title>")[2].partition("</title>")[0]
    content, window, *scrolls = title.split(",")
    assert int(content) <= int(window)
    assert scrolls == ["true", "true"]
