"""The command `gramscope show` in a real terminal, once and while a run goes on."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from gramscope.events import Event
from gramscope.events.earlier import EARLIER
from gramscope.events.files import append_event
from gramscope.picture.colours import viridis
from tests.gramscope.report.sweep_dir import JobDir
from tests.terminal import needs_terminal, terminal

pytestmark = needs_terminal

GRAM = np.array([[1, 0, -1, 0], [0, 1, 0, -1], [-1, 0, 1, 0], [0, -1, 0, 1]])
NUMBERS = {"offdiag_mean": 0.25, "effective_rank": 12.5, "rank_ceiling": 63.0}
HOSTILE = "evil\x1b[31m\x1b]0;title\x07日本語<b>" + "long" * 2500


@pytest.fixture
def run(tmp_path: Path) -> JobDir:
    return JobDir(tmp_path / "run")


def rgb(value: float) -> tuple[int, ...]:
    return tuple(viridis()[min(int((value + 1) * 128), 255), :3].tolist())


def painted(screen: str) -> list[list[tuple[tuple[int, ...], tuple[int, ...]]]]:
    """Upper and lower colour of each half block, line by line."""
    found = []
    for line in screen.splitlines():
        colours: dict[str, tuple[int, ...]] = {}
        cells = []
        for codes, text in re.findall(r"\x1b\[([\d;]*)m([^\x1b]*)", line):
            for ground, *parts in re.findall(r"(38|48);2;(\d+);(\d+);(\d+)", codes):
                colours[ground] = tuple(map(int, parts))
            cells += [(colours["38"], colours["48"]) for c in text if c == "▀"]
        if cells:
            found.append(cells)
    return found


def test_the_heatmap_has_the_colours_of_the_matrix(run: JobDir) -> None:
    run.log(10, 20, gram=0.5, metrics=NUMBERS).log(30, gram=GRAM, metrics=NUMBERS)

    with terminal("show", str(run.path), width=80, height=24) as window:
        screen = window.until("exit code 0", colours=True)

    _legend, *heatmap = painted(screen)
    assert heatmap == [
        [(rgb(upper), rgb(lower)) for upper, lower in zip(*GRAM[at : at + 2], strict=True)]
        for at in (0, 2)
    ]
    assert "gram matrix of step 30, 4 x 4" in screen


@pytest.mark.parametrize(
    ("environment", "shown", "hidden"),
    [
        # Where there are no colours, characters say it.
        ({"NO_COLOR": "1"}, ["@@++  ++", "▁█"], "\x1b[38"),
        # Where there are no blocks either, all of it is ASCII.
        ({"PYTHONIOENCODING": "ascii"}, ["@@++  ++", "_#", "similarity -1"], "▁"),
    ],
)
def test_terminals_that_can_do_less(
    environment: dict[str, str], shown: list[str], hidden: str, run: JobDir
) -> None:
    run.log(10, gram=0.5, metrics=NUMBERS)
    run.log(20, gram=GRAM, metrics={**NUMBERS, "offdiag_mean": 0.5})

    with terminal("show", str(run.path), width=80, height=24, **environment) as window:
        window.until("exit code 0", *shown)
        assert hidden not in window.screen(colours=True)


@pytest.mark.parametrize("width", [40, 60])
def test_nothing_is_cut_off_or_obeyed_where_it_is_narrow(width: int, run: JobDir) -> None:
    metrics = {f"{role}/{name}": v for role in ("head", "backbone") for name, v in NUMBERS.items()}
    run.log(10, metrics=metrics, role="head", others={"backbone": 0.1}, feature_key=HOSTILE)
    skipped = Event(20, "gram_matrix", HOSTILE, metrics=metrics, reason=HOSTILE[:30])
    append_event(run.gram_dir, skipped)
    metrics["head/effective_rank"] = 1.5
    run.log(30, metrics=metrics, role="head", others={"backbone": 0.1}, feature_key=HOSTILE)

    with terminal("show", str(run.path), width=width, height=50) as window:
        window.until("exit code 0")
        screen = window.screen(above=1000)
        coloured = window.screen(colours=True, above=1000)

    assert max(map(len, screen.splitlines())) <= width
    text = "".join(screen.split())
    assert text.startswith(r"gramevil\x1b[31m\x1b]0;title\x07日本語<b>" + "long" * 2500)
    assert "\x1b[31m" not in coloured.partition("long")[0]
    for said in ("1.5of63", "worst1.5at30", r"2logged,1skipped(evil\x1b[31m", "grammatrixofstep30"):
        assert said in text


def test_a_run_is_followed_from_before_its_first_event_until_ctrl_c(run: JobDir) -> None:
    with terminal("show", "--watch", "0.2", str(run.path), width=80, height=30) as window:
        window.until("waiting for the first event in", "does not exist")
        run.log(10, metrics=NUMBERS)
        window.until("step 10, 1 logged", "effective_rank  12.5 of 63")
        run.line('{"step": 2')
        window.until("remark: ", "1 unreadable line in events.jsonl")
        events = run.gram_dir / "events.jsonl"
        events.write_text(events.read_text().removesuffix('{"step": 2\n'))
        run.log(20, metrics={**NUMBERS, "effective_rank": 3.5})
        assert "remark" not in window.until("step 20, 2 logged", "3.5 of 63")

        aside = run.gram_dir / EARLIER / "1"
        aside.mkdir(parents=True)
        events.rename(aside / events.name)
        window.until("waiting for the first event")
        run.log(5, metrics=NUMBERS)
        window.until("step 5, 1 logged", "12.5 of 63")

        # What there is no room for gives way.
        assert "▀▀▀▀" in window.screen()
        window.resize(70, 9)
        window.until("effective_rank")
        window.press("C-c")
        window.until("exit code 0")
        screen = window.screen(above=50)

    assert "step 5, 1 logged" in screen  # the last view stays
    assert "Traceback" not in screen


def test_many_things_are_rows_of_a_table_as_far_as_there_is_room(tmp_path: Path) -> None:
    for number in range(20):
        JobDir(tmp_path / f"lr{number}").measure(10, 20, effective_rank=number + 1.0)

    with terminal("show", "--watch", "0.5", str(tmp_path), width=80, height=15) as window:
        window.until("lr0", "lr9", "10 more: make the terminal larger, or name fewer runs")
        window.resize(80, 40)
        window.until("lr19")
        window.press("C-c")
        window.until("exit code 0")
