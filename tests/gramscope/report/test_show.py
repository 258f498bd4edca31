"""The command `gramscope show` where the output is no terminal, and how a run is read on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gramscope.cli import main
from gramscope.events.files import EVENTS_FILE
from gramscope.report.history import read_watched
from gramscope.report.show.following import Following
from gramscope.report.show.sparkline import sparkline
from tests.gramscope.report.reading import table_rows
from tests.gramscope.report.sweep_dir import JobDir
from tests.gramscope.report.test_command import SCRIPT


def run_in(path: Path) -> JobDir:
    """A run whose events are right in its directory."""
    job = JobDir(path)
    job.gram_dir = path
    return job


@pytest.fixture
def run(tmp_path: Path) -> JobDir:
    return run_in(tmp_path / "run")


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command and gives what it prints."""

    def show(*arguments: object) -> str:
        main(["show", *map(str, arguments)])
        return capsys.readouterr().out

    return show


def test_lines_can_be_grepped_and_need_no_torch(run: JobDir) -> None:
    for step in range(10, 110, 10):
        run.log(step, metrics={"effective_rank": 60.0 - step / 2, "rank_ceiling": 63.0})
    run.skip(110, reason="backlog").skip(120, reason="no rows; rank 1")

    command = [sys.executable, "-c", SCRIPT, "show", str(run.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.stderr == "\n"
    assert lines[0] == "run teacher_cls_token"
    assert lines[2].startswith("step 120, 10 logged, 2 skipped (backlog 1, no rows 1), last event ")
    assert lines[3] == "effective_rank 10.0 of 63 worst 10.0 at 100 █▇▆▆▅▄▃▃▂▁"
    assert "▀" not in done.stdout
    assert "\x1b" not in done.stdout


def test_patches_and_the_class_token_of_the_same_samples_are_told_apart(
    run: JobDir, shown: Callable[..., str]
) -> None:
    for step, inter in ((50, 0.5), (100, 0.9), (200, 0.6)):
        patches = {"dense_inter": inter, "dense_intra": 0.3, "dense_rank": inter / 2}
        numbers = {"patch_similarity": 0.4, "class/effective_rank": 9.0}
        run.log(step, feature_key="patch_tokens", metrics={**patches, **numbers})

    lines = [" ".join(line.split()) for line in shown(run.path).splitlines()]
    assert lines[0] == "run patch_tokens"
    (said,) = (line for line in lines if line.startswith("gram teacher: "))
    assert said.startswith("gram teacher: patches were grouped best at step 100 (")
    at = lines.index("class")
    assert lines[at - 1].startswith("patch_similarity 0.400")
    assert lines[at + 1].startswith("effective_rank 9.0")
    assert not any("no picture data" in line for line in lines)


def test_a_state_is_shown_with_the_numbers_that_it_rests_on(
    run: JobDir, shown: Callable[..., str]
) -> None:
    for step in range(10, 210, 10):
        spread = 0.6 if step < 100 else 0.001
        run.measure(step, spread=spread, offdiag_mean=1 - spread, nonfinite_rows=float(step >= 200))
    event = (run.gram_dir / EVENTS_FILE).read_text().splitlines()[-1]
    change = (
        '{"since": 110, "role": "", "text": "complete collapse since step 110: All one.", '
        '"evidence": [{"number": "spread"}, {"number": "other"}, 3]}'
    )
    run.line(
        event.replace('"step": 200', '"step": 210')
        .replace('"diagnosis": null', '"diagnosis": "complete_collapse"')
        .replace('"change": null', f'"change": {change}')
    )

    out = shown(run.path)

    assert "  complete collapse since step 110\n" in out
    assert "  All one.\n" in out
    assert [line.split()[0] for line in out.splitlines()[4:] if line] == [
        "offdiag_mean",
        "nonfinite_rows",
        "spread",
    ]


def test_features_of_one_monitor_have_their_own_numbers(
    run: JobDir, shown: Callable[..., str]
) -> None:
    run.measure(10, **{"head/effective_rank": 3.0, "backbone/effective_rank": 30.0})

    lines = [line.strip() for line in shown(run.path).splitlines()]

    assert lines[lines.index("head") + 1].startswith("effective_rank  3.0")
    assert lines[lines.index("backbone") + 1].startswith("effective_rank  30.0")


def test_many_things_are_a_table(tmp_path: Path, shown: Callable[..., str]) -> None:
    for number in (1, 2, 3, 9, 10, 11, 12):
        job = run_in(tmp_path / f"lr{number}")
        job.measure(10, offdiag_mean=0.1, effective_rank=1.0)
        job.measure(20, offdiag_mean=0.2, effective_rank=float(number))

    rows = table_rows(shown(tmp_path, tmp_path / "lr9"))

    assert [row["run"] for row in rows] == [f"lr{n}" for n in (1, 2, 3, 9, 10, 11, 12)]
    assert [row["effective_rank"] for row in rows][:2] == ["1.0", "2.0"]
    assert rows[-1]["last step"] == "20"
    assert rows[-1]["effective rank over time"] == "▁█"
    assert rows[0]["effective rank over time"] == "▁▁"  # on the same scale


def test_of_thousands_of_runs_the_last_are_shown(tmp_path: Path, shown: Callable[..., str]) -> None:
    for number in range(103):
        run_in(tmp_path / str(number)).measure(10, offdiag_mean=0.1)

    out = shown(tmp_path)

    assert len(table_rows(out)) == 100
    assert "remark: shown are the 100 of 103 runs that wrote last; name fewer" in out


@pytest.mark.parametrize(
    ("values", "width", "shown"),
    [
        ([1.0, 2.0, 3.0], 10, "▁▅█"),
        ([2.0, 2.0], 10, "▁▁"),
        ([], 10, ""),
        # Of many values none that is extreme is lost: the bad end of this number is the low one.
        ([10.0] * 5000 + [0.0] + [10.0] * 4999, 8, "████▁███"),
    ],
)
def test_sparkline(values: list[float], width: int, shown: str) -> None:
    series = list(enumerate(values))

    assert sparkline("effective_rank", series, width) == shown
    assert len(sparkline("offdiag_std", series, width, ascii_only=True)) == len(shown)


def test_a_bad_end_that_may_be_either_is_far_from_the_median() -> None:
    values = [0.5] * 101 + [0.0] + [0.5] * 100 + [1.0] + [0.5] * 100

    assert sparkline("offdiag_std", list(enumerate(values)), 3) == "▅▁█"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{}/nowhere"], "There is no event to show. Runs keep an events.jsonl"),
        (["{}/nowhere"], "{}/nowhere does not exist"),
        (["{}"], "as with gram/files=run"),
        (["{}/run/events.jsonl"], "events.jsonl is a file"),
    ],
)
def test_what_holds_no_event_is_one_line(
    arguments: list[str], said: str, run: JobDir, capsys: pytest.CaptureFixture[str]
) -> None:
    run.line("no event")

    with pytest.raises(SystemExit) as stopped:
        main(["show", *(argument.format(run.path.parent) for argument in arguments)])

    captured = capsys.readouterr()
    assert (stopped.value.code, captured.out) == (2, "")
    (line,) = captured.err.splitlines()
    assert said.format(run.path.parent) in line


@pytest.mark.parametrize("arguments", [["--watch", "0"], ["--watch", "x"], ["--size", "-1"]])
def test_bad_numbers(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["show", "run", *arguments])

    assert stopped.value.code == 2
    assert repr(arguments[1]) in capsys.readouterr().err


def test_what_can_be_read_is_shown_beside_what_cannot(
    run: JobDir, tmp_path: Path, shown: Callable[..., str]
) -> None:
    run.measure(10, offdiag_mean=0.1)
    run.line("no event")
    with (run.gram_dir / EVENTS_FILE).open("a") as file:
        file.write('{"step": 2')
    other = run_in(tmp_path / "other")
    other.line("no event either")

    out = shown(run.path, tmp_path / "nowhere", other.path)

    assert "offdiag_mean  0.100" in out
    assert out.splitlines()[-4:] == [
        f"remark: {tmp_path}/nowhere does not exist",
        f"remark: {run.gram_dir}: 1 unreadable line in events.jsonl",
        f"remark: {run.gram_dir}: the last line of events.jsonl is cut off",
        f"remark: {other.gram_dir}: 1 unreadable line in events.jsonl",
    ]


@pytest.mark.parametrize("seed", range(3))
def test_read_on_in_any_pieces_it_is_what_is_read_at_once(
    seed: int, run: JobDir, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        step = chance.randrange(50)
        some: dict[str, Any] = {f"{chance.choice('ab')}/spread": chance.random()}
        chance.choice([run.measure, run.skip])(step, **some)
    run.line("no event")
    run.log(60, log_key="another")
    data = (run.gram_dir / EVENTS_FILE).read_bytes()
    growing = tmp_path / "growing" / EVENTS_FILE
    growing.parent.mkdir()
    growing.touch()
    following = Following([growing.parent])
    following.look()

    for end in [*sorted(chance.sample(range(1, len(data)), 25)), len(data)]:
        with growing.open("ab") as file:
            file.write(data[growing.stat().st_size : end])
        assert following.look()

    expected, problems = read_watched(growing)
    histories = [thing.history for thing in following.things]
    assert histories == expected
    assert [[*h.events] for h in histories] == [[*h.events] for h in expected]  # in their order
    assert following.remarks == [f"{growing.parent}: {problem}" for problem in problems]
    assert not following.look()


def test_only_new_lines_are_read(run: JobDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has been read may be gigabytes, over a network."""
    run.measure(*range(1, 200), offdiag_mean=0.1)
    following = Following([run.path])
    following.look()
    (thing,) = following.things
    first = thing.history.events[1]
    run.measure(200, offdiag_mean=0.1)

    following.look()

    (later,) = following.things
    assert later.history.last_step == 200
    assert later.history.events[1] is first


def test_watching_into_a_pipe_says_what_is_new_until_it_is_ended(run: JobDir) -> None:
    command = [sys.executable, "-m", "gramscope.cli", "show", "--watch", "0.1", str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = [process.stdout.readline()]
        run.measure(10, offdiag_mean=0.1)
        said.append(process.stdout.readline())
        run.measure(20, offdiag_mean=0.2)
        said.append(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)

    common = "run run  feature teacher_cls_token  state warming up"
    assert said == [
        f"waiting for the first event in {run.path}\n",
        f"{common}  last step 10  offdiag_mean 0.100\n",
        f"{common}  last step 20  offdiag_mean 0.200\n",
    ]
    assert (process.returncode, rest) == (128 + signal.SIGTERM, "")
