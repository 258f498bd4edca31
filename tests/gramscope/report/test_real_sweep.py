"""A sweep as its user runs it: Hydra's multirun, Lightning, the callback, the report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
    """Three jobs, one for each feature."""
    directory = tmp_path_factory.mktemp("real") / "multirun"
    command = [
        sys.executable,
        "-m",
        "tests.gramscope.report.app",
        "-m",
        "+callbacks=gram",
        "+max_steps=6",
    ]
    command += ["callbacks.gram.log_every_n_steps=2", f"hydra.sweep.dir={directory}"]
    command += [f"callbacks.gram.feature_key={','.join(FEATURES)}"]
    command += ["callbacks.gram.save_dir=${hydra:runtime.output_dir}/gram"]
    command += [f"+directory={directory.parent}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.slow
def test_the_report_shows_what_the_jobs_logged(
    multirun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["sweep-report", str(multirun)])

    rows = table_rows(capsys.readouterr().out)
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


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome is installed")
class TestBrowser:
    """The page in a real browser."""

    def browse(self, *arguments: str) -> str:
        assert BROWSER is not None
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        done = subprocess.run([BROWSER, *flags, *arguments], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def test_it_renders(
        self, multirun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["sweep-report", str(multirun)])
        capsys.readouterr()
        address = (multirun / "sweep_report.html").as_uri()
        picture = tmp_path / "page.png"

        self.browse(f"--screenshot={picture}", "--window-size=1400,1800", address)
        dom = self.browse("--dump-dom", address)

        image = PIL.Image.open(picture).convert("RGB")
        colours = {colour for _, colour in image.getcolors(1 << 24) or []}
        # Both ends of the scale are on it: the legend's, and the diagonals of the matrices.
        assert {(253, 231, 36), (68, 1, 84)} <= colours
        assert dom.count("data:image/png;base64,") == 9 + 1

    def test_a_wide_sweep_scrolls_in_its_own_frame(
        self, multirun: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["sweep-report", str(multirun)])
        capsys.readouterr()
        # The one script is the test's: a page cannot be measured from outside.
        probe = (
            "<script>document.title = [document.documentElement.scrollWidth, innerWidth,"
            "...[...document.querySelectorAll('.scroll')].map(e => e.scrollWidth > e.clientWidth)]"
            "</script></body>"
        )
        html = (multirun / "sweep_report.html").read_text()
        page = tmp_path / "probed.html"
        page.write_text(html.replace("</body>", probe).replace("Content-Security-Policy", "x"))

        dom = self.browse("--dump-dom", "--window-size=600,800", page.as_uri())

        title = dom.partition("<title>")[2].partition("</title>")[0]
        content, window, *scrolls = title.split(",")
        assert int(content) <= int(window)
        assert scrolls == ["true", "true"]
