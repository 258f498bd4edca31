"""What TensorBoard's and MLflow's own pages show of a run, in a real browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning.loggers import MLFlowLogger, TensorBoardLogger

from gramscope.callbacks import GramMatrixCallback
from tests.browser import browser, needs_browser
from tests.support import TinySSL, trainer

PATIENCE_MS = 120_000


@pytest.mark.slow
@needs_browser
# MLflow's own, of its sqlite store.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_pages_of_loggers_show_pictures_and_charts(tmp_path: Path) -> None:
    callback = GramMatrixCallback(4, metrics=["offdiag_mean", "effective_rank"])
    store = f"sqlite:///{tmp_path}/runs.db"
    tensorboard = TensorBoardLogger(str(tmp_path / "tb"))
    mlflow = MLFlowLogger(tracking_uri=store, artifact_location=str(tmp_path / "artifacts"))

    trainer(tmp_path, [callback], logger=[tensorboard, mlflow]).fit(TinySSL())

    assert callback.outcomes == {"logged": 3}
    of_tensorboard = ["tensorboard.main", "--logdir", str(tmp_path / "tb")]
    of_mlflow = ["mlflow", "server", "--workers", "1", "--backend-store-uri", store]
    with (
        served(of_tensorboard, tmp_path / "tensorboard.log") as board,
        served(of_mlflow, tmp_path / "mlflow.log") as server,
        browser() as chromium,
    ):
        page = chromium.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        see_tensorboard(page, board)
        see_mlflow(page, f"{server}/#/experiments/{mlflow.experiment_id}/runs/{mlflow.run_id}")


def see_tensorboard(page: Any, address: str) -> None:
    page.goto(f"{address}/#images")
    wait_for_picture(page, "individualImage", 640)
    page.goto(f"{address}/#custom_scalars")
    page.get_by_text("representation: directions in use").wait_for()
    page.get_by_text("Matches (1)").nth(4).wait_for()  # of headlines 3, of the other parts 1 each
    assert page.get_by_text("Matches (0)").count() == 0
    assert page.get_by_text("representation: views").count() == 0


def see_mlflow(page: Any, address: str) -> None:
    page.goto(f"{address}/model-metrics")
    page.get_by_role("searchbox").fill("gram_matrix")
    slider = page.get_by_role("spinbutton").first  # the slider's number: it starts at 0
    slider.fill("8")
    slider.press("Tab")
    wait_for_picture(page, "gram_matrix%2Bstep%2B8%2B", 200)


def wait_for_picture(page: Any, source: str, least: int) -> None:
    """Wait until an image is there that the server sent, at least so many pixels wide."""
    shown = "image => image.src.includes(source) && image.naturalWidth >= least"
    page.wait_for_function(
        f"""([source, least]) => {{
            const all = root => [...root.querySelectorAll("*")].flatMap(
                e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
            return all(document).some(e => e.tagName == "IMG" && ({shown})(e));
        }}""",
        arg=[source, least],
    )


@contextmanager
def served(module: list[str], log: Path) -> Iterator[str]:
    """A server on this machine, from when it answers; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *module, "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # half its start
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not answers(address):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False
