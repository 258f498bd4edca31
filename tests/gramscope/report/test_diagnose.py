"""The command `gramscope diagnose`: what it says of files, and how it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import gramscope.report.diagnose.watched
from gramscope.cli import main
from gramscope.diagnosis import STATES, Diagnosis, Evidence, State
from tests.gramscope.report.sweep_dir import JobDir
from tests.gramscope.report.test_command import SCRIPT

PAGE = Path(__file__).parents[3] / "docs" / "diagnosis.md"
CODES = {kind.code: kind.name for kind in STATES.values()}

HEALTHY, WARMING_UP, COLLAPSE, STALLED = (
    STATES[name].code for name in ("healthy", "warming_up", "dimensional_collapse", "stalled")
)


class Scripted(Diagnosis):
    """Has the state whose code an event gives as its spread: what rules say is not in question."""

    wish = "Say which rows are views."

    def __init__(self, thresholds: Mapping[str, Any] | None = None) -> None:
        super().__init__(thresholds)
        self.confirm = (thresholds or {}).get("confirm_events", 0.5)

    def update(self, step: int, metrics: Mapping[str, float]) -> State:
        ((key, code),) = ((k, v) for k, v in metrics.items() if k.endswith("spread"))
        if self.state.code != code:
            evidence = Evidence(key, 0.25, "below", self.confirm)
            role = key.rpartition("/")[0]
            self.state = State(CODES[int(code)], step, role, (evidence,), ("backbone",))
            self.changes.append((step, self.state))
        return self.state


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gramscope.report.diagnose.watched, "Diagnosis", Scripted)


@pytest.fixture
def run(tmp_path: Path) -> JobDir:
    path = tmp_path / "run"
    path.mkdir()
    return JobDir(path)


@pytest.fixture
def said(run: JobDir, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command on the run and gives what it prints."""

    def diagnose(*arguments: str) -> str:
        main(["diagnose", str(run.path), *arguments])
        return capsys.readouterr().out

    return diagnose


def states(run: JobDir, codes: Mapping[int, int], log_key: str = "gram_matrix") -> None:
    """Have events that `Scripted` finds in these states, by step."""
    for step, code in codes.items():
        line(run, step=step, log_key=log_key, metrics={"spread": code})


def line(run: JobDir, **values: Any) -> None:
    common = {"log_key": "gram_matrix", "feature_key": "features", "status": "logged"}
    run.line(json.dumps({**common, **values}))


def code_of(*arguments: str) -> int:
    try:
        main(["diagnose", *arguments])
    except SystemExit as stopped:
        assert isinstance(stopped.code, int)
        return stopped.code
    return 0


def test_it_says_what_the_diagnosis_says_of_the_same_numbers_without_torch(run: JobDir) -> None:
    diagnosis = Diagnosis()
    for step in range(10, 200, 10):
        spread = 0.6 if step < 100 else 0.001
        metrics = {"head/spread": spread, "backbone/spread": 0.6, "head/nonfinite_rows": 0.0}
        run.measure(step, **metrics)
        diagnosis.update(step, metrics)

    command = [sys.executable, "-c", SCRIPT, "diagnose", str(run.path)]
    text = subprocess.run(command, capture_output=True, text=True, check=True)
    of_json = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)

    state = diagnosis.state
    assert (text.stderr, of_json.stderr) == ("\n", "\n")
    assert f"{state.title} since step {state.since}: {state.sentence}" in text.stdout
    assert state.advice in text.stdout
    assert "19 of 19 events have numbers, steps 10 to 190" in text.stdout
    assert "\x1b" not in text.stdout
    (watched,) = json.loads(of_json.stdout)["watched"]
    assert watched["state"]["name"] == state.name
    assert watched["state"]["since"] == state.since
    course = [(one["step"], one["name"]) for one in watched["course"] if one["step"] > 10]
    assert course == [(step, s.name) for step, s in diagnosis.changes if step > 10]


@pytest.mark.usefixtures("scripted")
class TestWhatItSays:
    """Of each thing watched: its state, why, since when, and what came before."""

    def test_all_of_it(self, run: JobDir, said: Callable[..., str]) -> None:
        states(run, {10: WARMING_UP, 20: HEALTHY, 30: COLLAPSE, 40: COLLAPSE})
        run.skip(50)

        out = said().splitlines()

        kind = STATES["dimensional_collapse"]
        assert out[:7] == [
            f"gram_matrix  features  {run.gram_dir}",
            f"  dimensional collapse since step 30: {kind.sentence.format(of='')}",
            "  evidence     spread 0.25 (below 0.5)",
            "  intact       backbone",
            f"  advice       {kind.advice}",
            "  course       step 10 warming up; step 20 healthy; step 30 dimensional collapse",
            "  rests on     4 of 4 events have numbers, steps 10 to 40",
        ]
        assert out[7] == "  to say more  Say which rows are views."

    def test_keys_and_features_have_a_state_each(
        self, run: JobDir, said: Callable[..., str]
    ) -> None:
        states(run, {10: HEALTHY, 20: HEALTHY}, "gram_matrix/a")
        states(run, {10: HEALTHY, 20: STALLED}, "gram_matrix/b")
        line(run, step=20, log_key="c", metrics={"teacher_head/spread": COLLAPSE})

        watched = json.loads(said("--json"))["watched"]

        found = [(w["log_key"], w["state"]["name"], w["state"]["role"]) for w in watched]
        assert found == [
            ("gram_matrix/a", "healthy", ""),
            ("gram_matrix/b", "stalled", ""),
            ("c", "dimensional_collapse", "teacher_head"),
        ]
        assert "dimensional collapse (teacher head) since step 20" in said()

    def test_a_resumed_run_counts_each_step_once_and_in_order(
        self, run: JobDir, said: Callable[..., str]
    ) -> None:
        states(run, {10: HEALTHY, 20: COLLAPSE, 30: COLLAPSE})
        states(run, {20: HEALTHY, 30: HEALTHY})

        (watched,) = json.loads(said("--json"))["watched"]

        assert [one["name"] for one in watched["course"]] == ["healthy"]
        assert (watched["events"], watched["last_step"]) == (3, 30)

    @pytest.mark.parametrize("below", ["", "run", "run/gram"])
    def test_any_directory_above_the_events_will_do(self, run: JobDir, below: str) -> None:
        states(run, {10: STALLED})

        assert code_of(str(run.path.parent / below), "--fail-on", "stalled") == 3

    def test_several_runs(self, run: JobDir, said: Callable[..., str], tmp_path: Path) -> None:
        states(run, {10: HEALTHY})
        other = tmp_path / "other"
        states(JobDir(other / "0"), {10: STALLED})
        states(JobDir(other / "1"), {10: COLLAPSE})

        watched = json.loads(said(str(other), "--json"))["watched"]

        assert [(w["run"], w["state"]["name"]) for w in watched] == [
            (str(run.path), "healthy"),
            (str(other), "stalled"),
            (str(other), "dimensional_collapse"),
        ]

    def test_thresholds_are_those_that_are_set(self, run: JobDir, said: Callable[..., str]) -> None:
        states(run, {10: STALLED})

        assert "(below 4)" in said("--set", "confirm_events=4", "clear_events=5")

    def test_the_keys_of_its_json_are_the_documented_ones(
        self, run: JobDir, said: Callable[..., str]
    ) -> None:
        for step in (10, 20, 30):
            patches = {"dense_inter": 40 / step, "dense_intra": 0.5, "dense_rank": 0.1}
            line(run, step=step, metrics={"spread": STALLED, **patches})
        documented = re.findall(r"^\| `(watched[\w.]*|remarks)` \|", PAGE.read_text(), re.M)

        found = json.loads(said("--json"))
        assert list(keys(found)) == documented
        assert found["watched"][0]["best_snapshot"]["step"] == 10
        assert "gram teacher  patches were grouped best at step 10 (" in said()


def keys(value: Any, prefix: str = "") -> list[str]:
    """All keys, as the page writes them; those of a list are those of its first entry."""
    if isinstance(value, list):
        return keys(value[0], prefix) if value else []
    if not isinstance(value, dict):
        return []
    return [name for key in value for name in (prefix + key, *keys(value[key], f"{prefix}{key}."))]


@pytest.mark.usefixtures("scripted")
class TestHowItEnds:
    """With an exit code that a scheduler can act on."""

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            ([], 0),
            (["--fail-on", "dimensional_collapse"], 0),
            (["--fail-on", "dimensional_collapse", "--ever"], 3),
            (["--fail-on", "stalled"], 3),
            (["--fail-on", "duplicates", "stalled"], 3),
            (["--fail-on", "stalled", "--fail-on", "duplicates"], 3),
            (["--fail-on", "alarm"], 3),
            (["--fail-on", "alarm", "--json"], 3),
            (["--fail-on", "healthy"], 3),
            (["--fail-on", "warming_up", "--ever"], 0),
            (["--fail-on", "duplicates", "--ever"], 0),
        ],
    )
    def test_fail_on(
        self,
        run: JobDir,
        arguments: list[str],
        code: int,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        states(run, {10: HEALTHY, 20: HEALTHY}, "a")
        states(run, {10: COLLAPSE, 20: STALLED}, "b")

        assert code_of(str(run.path), *arguments) == code
        captured = capsys.readouterr()
        assert captured.err.startswith("gramscope: --fail-on ") == (code == 3)
        assert "stalled" in captured.out

    def test_what_is_no_alarm_does_not_fail_as_one(self, run: JobDir) -> None:
        states(run, {10: WARMING_UP, 20: HEALTHY})

        assert code_of(str(run.path), "--fail-on", "alarm", "--ever") == 0

    def test_json_says_which_state_it_was(
        self, run: JobDir, capsys: pytest.CaptureFixture[str]
    ) -> None:
        states(run, {10: COLLAPSE, 20: STALLED})

        code_of(str(run.path), "--json", "--ever", "--fail-on", "alarm")

        (watched,) = json.loads(capsys.readouterr().out)["watched"]
        assert watched["failed_on"] == ["dimensional_collapse", "stalled"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{}/nowhere"], "gramscope: {}/nowhere does not exist"),
        (["{}/file"], "gramscope: {}/file is a file; give the directory of a run"),
        (["{}/empty"], "gramscope: {}/empty holds no events.jsonl: runs keep one where"),
        (["{}/run", "{}/empty"], "gramscope: {}/empty holds no events.jsonl"),
        (["{}/no\x1bwhere"], r"{}/no\x1bwhere does not exist"),
        (["{}/damaged"], "holds no event; {}/damaged: 1 unreadable line in events.jsonl"),
        (["{}/dangling"], "holds no event; {}/dangling/events.jsonl cannot be read (No such file"),
        (["{}/run", "--fail-on", "dimensional_colapse"], "perhaps dimensional_collapse"),
        (["{}/run", "--fail-on", "xyz"], "knows no state 'xyz'; perhaps one of alarm, healthy"),
        (["{}/run", "--ever"], "--ever is about --fail-on"),
        (["{}/run", "--set", "confirm_event=3"], "has no 'confirm_event': confirm_events"),
        (["{}/run", "--set", "confirm_events=0"], "confirm_events` must be from 1 to"),
        (["{}/run", "--set", "confirm_events"], "expected THRESHOLD=VALUE with a number"),
        (["{}/run", "--set", "confirm_events=few"], "expected THRESHOLD=VALUE with a number"),
    ],
)
def test_bad_input_is_answered_in_a_line(
    run: JobDir,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    states(run, {10: HEALTHY})
    (tmp_path / "file").touch()
    for name in ("empty", "damaged", "dangling"):
        (tmp_path / name).mkdir()
    (tmp_path / "damaged" / "events.jsonl").write_text("{}\n")
    (tmp_path / "dangling" / "events.jsonl").symlink_to(tmp_path / "nothing")

    code = code_of(*(argument.format(tmp_path) for argument in arguments))

    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert expected.format(tmp_path) in captured.err.splitlines()[-1]
    assert "Traceback" not in captured.err


@pytest.mark.usefixtures("scripted")
class TestWhatIsOdd:
    """What could not be read, or does not fit, is told."""

    def test_damaged_lines_are_counted_and_left_out(
        self, run: JobDir, said: Callable[..., str]
    ) -> None:
        states(run, {10: HEALTHY})
        run.line('{"step": -1}\nnot JSON')
        states(run, {20: STALLED})
        with (run.gram_dir / "events.jsonl").open("a") as file:
            file.write('{"step": 30, "log_key": "gram_ma')

        out = said()

        assert "stalled since step 20" in out
        assert f"remark: {run.gram_dir}: 2 unreadable lines in events.jsonl\n" in out
        assert f"remark: {run.gram_dir}: the last line of events.jsonl is cut off\n" in out
        assert len(json.loads(said("--json"))["remarks"]) == 2

    def test_what_cannot_be_read_costs_no_other_run_its_report(
        self, run: JobDir, said: Callable[..., str]
    ) -> None:
        states(run, {10: HEALTHY})
        moved = run.path / "moved" / "events.jsonl"
        moved.parent.mkdir()
        moved.symlink_to("nowhere")

        out = said()

        assert "healthy" in out
        assert f"remark: {moved} cannot be read (No such file or directory)\n" in out
        with pytest.raises(SystemExit) as ended:  # what was not read may be what is looked for
            said("--fail-on", "alarm")
        assert ended.value.code == 2

    def test_events_without_numbers(self, run: JobDir, said: Callable[..., str]) -> None:
        run.skip(10, 20, reason="missing_key; rank 0").skip(30)

        out = said()

        assert "warming up" in out
        assert "rests on     0 of 3 events have numbers" in out
        assert "no event has numbers (backlog 1, missing_key 2)" in out

    def test_numbers_of_a_skipped_event_count(self, run: JobDir, said: Callable[..., str]) -> None:
        run.skip(10, reason="render_failed", spread=STALLED)

        assert "stalled since step 10" in said()

    @pytest.mark.parametrize(
        ("recorded", "arguments", "told"),
        [
            ("healthy", [], True),
            ("stalled", [], False),
            (None, [], False),
            (["healthy"], [], False),
            ("healthy", ["--set", "clear_events=1"], False),
        ],
    )
    def test_a_state_that_the_run_itself_did_not_see(
        self,
        run: JobDir,
        said: Callable[..., str],
        recorded: Any,
        arguments: list[str],
        told: bool,
    ) -> None:
        line(run, step=10, metrics={"spread": STALLED}, diagnosis=recorded)

        assert ("while it ran it said healthy at the end" in said(*arguments)) == told

    def test_names_are_nothing_that_a_terminal_obeys(
        self, run: JobDir, said: Callable[..., str]
    ) -> None:
        name = "a\x1b[2J\x9bb\n\u202e[bold]"
        line(
            run,
            step=10,
            log_key=name,
            feature_key=name,
            metrics={f"{name}/spread": STALLED},
            reason=name,
        )

        for out in (said(), said("--json")):
            assert all(c.isprintable() for c in out.replace("\n", ""))
        assert r"a\x1b[2J\x9bb\n\u202e[bold]" in said()
