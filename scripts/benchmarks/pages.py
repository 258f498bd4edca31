"""What `gramscope report` weighs and takes, from 1 to 1,000 events, beside a page of PNG files.

Runs are written as training writes them: gram matrices of clustered features, their pictures, and
40 numbers an event. `plain` is the plainest page there is: the events' own pictures, one below the
other. A page is opened in Chromium from disk: `open` until all of it is drawn, `step` from a move
of the slider until its pictures are drawn.
"""

import argparse
import base64
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _features import features
from _report import Report, numbers, options
from _stats import Spread

from gramscope.diagnosis import NUMBERS
from gramscope.events import Event, Matrix
from gramscope.events.files import append_event, stem, write_atomically
from gramscope.events.matrix import OfRole
from gramscope.metrics import gram_matrix
from gramscope.picture.renderer import Renderer
from gramscope.report.run.report import run_report
from tests.browser import browser

KEY = "gram_matrix"
ROLES = ("teacher_head", "teacher_backbone", "student_head", "student_backbone")


def main() -> None:
    """Measure, print and write."""
    chosen = options(
        "pages",
        __doc__,
        ("--events", numbers, "1,30,300,1000", "1,3", "events of a run"),
        ("--n", int, 128, 16, "rows of a matrix"),
        ("--roles", numbers, "1,4", "1,2", "features of a run"),
        ("--moves", int, 30, 3, "moves of the slider"),
        ("--plain", int, 300, 3, "events up to which the plain page is made"),
    )
    report = Report("pages", __doc__, chosen)
    with browser() as started:
        rows = [
            _measure(started, events, roles, chosen)
            for roles in chosen.roles
            for events in chosen.events
        ]
    report.table("pages", f"pages of one run, N = {chosen.n}", rows)
    report.finish()


def _measure(
    started: Any, events: int, roles: int, chosen: argparse.Namespace
) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        run, page, plain = Path(name, "run"), Path(name, "page.html"), Path(name, "plain.html")
        pictures = events <= chosen.plain
        _write_run(run, events, roles, chosen.n, pictures=pictures)
        began = time.perf_counter()
        run_report([run], page)
        written_s = time.perf_counter() - began
        opened_ms, steps_ms = _look(started, page, chosen.moves)
        row: dict[str, object] = {
            "features": roles,
            "events": events,
            "written s": written_s,
            "MB": page.stat().st_size / 1e6,
            "open ms": opened_ms,
            "step ms": Spread.of(steps_ms) if steps_ms else None,
            "plain MB": None,
            "plain open ms": None,
        }
        if pictures:
            _write_plain(run, plain)
            row |= {"plain MB": plain.stat().st_size / 1e6, "plain open ms": _open(started, plain)}
        return row


def _write_run(run: Path, events: int, roles: int, n: int, *, pictures: bool) -> None:
    renderer = Renderer()
    names = [name for name, number in NUMBERS.items() if not number.joint][:40]
    for at in range(1, events + 1):
        step = 100 * at
        grams = [gram_matrix(features(n, 64, seed=at * roles + i)).numpy() for i in range(roles)]
        spectrum = np.geomspace(5, 0.01, min(n, 64)).astype(np.float32)
        rank, index = np.arange(n, dtype=np.int32) // (n // 2), np.arange(n, dtype=np.int32)
        others = dict(zip(ROLES[1:], (OfRole(g, spectrum) for g in grams[1:]), strict=False))
        role = ROLES[0] if roles > 1 else None
        matrix = Matrix(grams[0], rank, index, spectrum, role=role, others=others)
        numbers_of = {
            f"{role}/{name}" if roles > 1 else name: 0.5 + math.sin(at / 20 + i) / 3
            for role in ROLES[:roles]
            for i, name in enumerate(names)
        }
        event = Event(step, KEY, "features", 2, n, numbers_of, diagnosis="healthy")
        event.log()
        npz = matrix.npz()
        path = stem(run, KEY, step)
        write_atomically(path.with_suffix(".npz"), npz)
        if pictures:
            write_atomically(path.with_suffix(".png"), renderer.png(matrix, f"step {step}"))
        append_event(run, event)


def _write_plain(run: Path, page: Path) -> None:
    files = sorted(run.rglob("*.png"))
    data = [base64.b64encode(file.read_bytes()).decode() for file in files]
    page.write_text("".join(f'<img src="data:image/png;base64,{one}">' for one in data))


def _look(started: Any, page: Path, moves: int) -> tuple[float, list[float]]:
    context = started.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    began = time.perf_counter()
    opened.goto(page.as_uri())
    opened.wait_for_selector("html[data-ready]", timeout=120_000)
    opened_ms = 1e3 * (time.perf_counter() - began)
    last = int(opened.get_attribute("#slider", "max"))
    at = [round(last * i / max(moves - 1, 1)) for i in range(moves)] if last else []
    # Each move to a picture that was not shown yet, timed where it happens.
    steps_ms = [opened.evaluate(_MOVE, step) for step in dict.fromkeys(at[:-1])]
    context.close()
    return opened_ms, steps_ms


_MOVE = """(step) => new Promise((done) => {
  const began = performance.now();
  const slider = document.getElementById("slider");
  slider.value = step;
  slider.dispatchEvent(new Event("input"));
  new MutationObserver(() => {
    if (viewer.ariaBusy === "false") requestAnimationFrame(() => done(performance.now() - began));
  }).observe(viewer, { attributes: true });
})"""


def _open(started: Any, page: Path) -> float:
    taken = []
    for _ in range(2):
        context = started.new_context()
        opened = context.new_page()
        began = time.perf_counter()
        opened.goto(page.as_uri(), timeout=120_000)
        opened.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
        taken.append(1e3 * (time.perf_counter() - began))
        context.close()
    return statistics.median(taken)


if __name__ == "__main__":
    main()
