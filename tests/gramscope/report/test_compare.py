"""The command `gramscope compare`: what differs between two runs, where they part, how it ends."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from gramscope.cli import main
from tests.gramscope.report.sweep_dir import JobDir, SweepDir
from tests.gramscope.report.test_command import SCRIPT

STEPS = range(10, 410, 10)
CONFIG = "optim:\n  lr: {}\n  betas: [0.9, {}]\nname: {}\nsave_dir: {}/gram\n"


@pytest.fixture
def a(sweep: SweepDir) -> JobDir:
    return sweep.job("optim.lr=0.1", subdir="a", config="seed: 1\n")


@pytest.fixture
def b(sweep: SweepDir) -> JobDir:
    return sweep.job("optim.lr=0.1", subdir="b", config="seed: 1\n")


@pytest.fixture
def compared(
    a: JobDir, b: JobDir, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    """Runs the command on both, with any exit code, and gives its JSON."""

    def compare(*arguments: str) -> dict[str, Any]:
        code = code_of("compare", str(a.path), str(b.path), "--json", *arguments)
        captured = capsys.readouterr()
        return {**json.loads(captured.out), "code": code, "said": captured.err}

    return compare


def code_of(*arguments: str) -> int:
    try:
        main([*arguments])
    except SystemExit as stopped:
        assert isinstance(stopped.code, int)
        return stopped.code
    return 0


def scattered(seed: int, steps: Iterable[int] = STEPS) -> dict[int, float]:
    """Values around 20 with a standard deviation of 0.5."""
    chance = random.Random(seed)
    return {step: 20 + chance.gauss(0, 0.5) for step in steps}


def measure(job: JobDir, values: Mapping[int, float], name: str = "effective_rank") -> None:
    for step, value in values.items():
        job.measure(step, **{name: value})


def numbers(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By key."""
    names = [(n["feature"], n["name"], n) for n in found["numbers"]]
    return {f"{feature}/{name}".lstrip("/"): number for feature, name, number in names}


class TestWhereRunsPart:
    """At the first common step from which on more than three times the noise is between them."""

    @pytest.mark.parametrize("seed", range(5))
    def test_runs_that_differ_by_scatter_do_not(
        self, seed: int, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        measure(a, scattered(seed))
        measure(b, scattered(100 + seed))

        (number,) = compared("--fail-on-worse", "effective_rank")["numbers"]

        assert (number["parted"], number["worse"]) == (None, None)
        assert 0.35 < number["noise"] < 1.4  # of a change: √2 times 0.5
        assert number["common"] == len(STEPS)

    def test_it_is_where_one_leaves_the_other_for_good(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        measure(a, scattered(1))
        values = scattered(2)
        values[50] = 1.0  # one odd batch
        measure(b, {step: value - 10 * (step >= 200) for step, value in values.items()})

        (number,) = compared()["numbers"]

        assert (number["parted"], number["worse"]) == (200, "b")

    @pytest.mark.parametrize(
        ("apart", "parted"),
        [
            (range(200, 300), None),  # they meet again
            (range(390, 410), None),  # twice may be chance
            (range(380, 410), 380),
            ([*range(200, 300), *range(310, 410)], 200),  # but for one of many
        ],
    )
    def test_from_then_on(
        self,
        apart: Iterable[int],
        parted: int | None,
        a: JobDir,
        b: JobDir,
        compared: Callable[..., dict[str, Any]],
    ) -> None:
        measure(a, {step: 20 + 0.1 * math.sin(step) for step in STEPS})
        measure(b, {step: 20 + 0.1 * math.sin(step) + 5 * (step in apart) for step in STEPS})

        (number,) = compared()["numbers"]

        assert number["parted"] == parted

    def test_a_number_without_scatter_parts_where_it_differs_by_more_than_rounding(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        measure(a, dict.fromkeys(STEPS, 1.0), "spread")
        measure(b, {step: 1.0 - 1e-9 - 1e-3 * (step >= 100) for step in STEPS}, "spread")

        (number,) = compared()["numbers"]

        assert number["parted"] == 100

    def test_too_few_events_tell_no_noise(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        measure(a, dict.fromkeys((10, 20, 30), 20.0))
        measure(b, dict.fromkeys((10, 20, 30), 19.9))

        found = compared("--fail-on-worse", "effective_rank")

        (number,) = found["numbers"]
        assert (number["noise"], number["parted"]) == (None, None)
        assert found["code"] == 3

    def test_states_part_where_they_differ_until_the_end(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        for job, end in ((a, "healthy"), (b, "stalled")):
            for step in (10, 20, 30, 40):
                state = {10: "warming_up", 20: end, 30: "healthy"}.get(step, end)
                line = {"step": step, "log_key": "k", "feature_key": "f", "diagnosis": state}
                job.line(json.dumps({**line, "metrics": {"spread": 0.5}, "status": "logged"}))

        (states,) = compared()["states"]

        assert states["parted"] == 40
        assert states["b"] == [
            [10, "warming_up"],
            [20, "stalled"],
            [30, "healthy"],
            [40, "stalled"],
        ]


class TestWhatIsCompared:
    """The same numbers at the same steps, and what only one run has."""

    def test_steps_are_those_that_both_have(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        measure(a, {step: float(step) for step in range(10, 210, 10)})
        measure(b, {step: step + 1.0 for step in range(0, 310, 20)})

        found = compared()

        (number,) = found["numbers"]
        points = [(point["step"], point["a"], point["b"]) for point in number["points"]]
        assert points == [(s, s, s + 1) for s in (20, 60, 100, 160, 200)]
        assert "compared up to step 200, the last in common; b goes on" in found["remarks"][-1]

    def test_without_a_common_step_the_last_values_are_compared(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        measure(a, {10: 1.0, 30: 3.0})
        measure(b, {20: 2.0, 40: 4.0})

        found = compared()

        (number,) = found["numbers"]
        assert number["points"] == [{"step": 30, "a": 3.0, "b": 4.0, "step_b": 40}]
        assert number["common"] == 0
        assert "no step in common; compared are the last values, of step 30" in found["remarks"][-1]

    def test_features_and_keys_stand_beside_their_like(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        a.log(10, metrics={"head/spread": 0.1, "head/lidar": 5.0, "backbone/spread": 0.2})
        b.log(10, metrics={"head/spread": 0.3, "student/spread": 0.4})
        a.log(10, log_key="one", metrics={"spread": 0.5})
        b.log(10, log_key="one", metrics={"spread": 0.6})
        b.log(10, log_key="two", feature_key="projector", metrics={"spread": 0.7})

        found = compared()

        both = {
            key: (n["points"][0]["a"], n["points"][0]["b"]) for key, n in numbers(found).items()
        }
        assert both == {"head/spread": (0.1, 0.3), "spread": (0.5, 0.6)}
        of = " of teacher_cls_token (gram_matrix)"
        assert found["only_a"] == [f"backbone{of}", f"head/lidar{of}"]
        assert found["only_b"] == ["projector", f"student{of}"]

    def test_what_has_another_name_is_compared_if_it_is_alone(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        a.log(10, metrics={"spread": 0.1})
        b.log(10, feature_key="student_cls_token", metrics={"spread": 0.2})

        found = compared()

        assert list(numbers(found)) == ["spread"]
        assert found["remarks"] == ["teacher_cls_token of a stands beside student_cls_token of b"]

    def test_no_common_number_is_said(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        measure(a, {10: 1.0}, "spread")
        measure(b, {10: 1.0}, "lidar")

        assert compared()["remarks"] == ["teacher_cls_token: no number is in both runs"]

    def test_settings_are_those_that_differ(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        for job, values in ((a, (0.1, 0.99, "'a\x07'")), (b, (0.01, 0.99, "null"))):
            measure(job, {10: 1.0})
            config = CONFIG.format(*values, job.path.resolve())
            (job.path / ".hydra" / "config.yaml").write_text(config.replace("\x07", "\\e[31m"))
        overrides = ["optim.lr=0.01", "+experiment=fast", "hydra.job.chdir=true"]
        (b.path / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))

        found = [(s["key"], s["a"], s["b"]) for s in compared()["settings"]]

        assert found == [
            ("optim.lr", "0.1", "0.01"),
            ("name", r"a\e[31m", "null"),
            ("experiment", None, "fast"),
            ("hydra.job.chdir", None, "true"),
        ]

    def test_a_run_without_settings_is_compared_all_the_same(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        measure(a, {10: 1.0})
        measure(b, {10: 1.0})
        (b.path / ".hydra" / "config.yaml").unlink()

        found = compared()

        assert (found["settings"], len(found["numbers"])) == ([], 1)
        assert "settings of b are not known: config.yaml is missing" in found["remarks"]


class TestHowItEnds:
    """With an exit code that a scheduler can act on."""

    @pytest.mark.parametrize(
        ("arguments", "failed"),
        [
            (["effective_rank"], ["effective_rank"]),
            (["effective_rank", "--tolerance", "20"], []),
            (["effective_rank:high"], []),
            (["offdiag_mean"], ["offdiag_mean"]),  # higher is worse
            (["offdiag_std:low"], []),
            (["offdiag_std:high", "effective_rank"], ["offdiag_std", "effective_rank"]),
            (["spread"], []),  # better
        ],
    )
    def test_fail_on_worse(
        self,
        arguments: list[str],
        failed: list[str],
        a: JobDir,
        b: JobDir,
        compared: Callable[..., dict[str, Any]],
    ) -> None:
        names = ("effective_rank", "offdiag_mean", "offdiag_std", "spread")
        for step in STEPS:
            a.measure(step, **dict(zip(names, (20, 0.1, 0.1, 0.5), strict=True)))
            b.measure(step, **dict(zip(names, (10, 0.5, 0.5, 0.6), strict=True)))

        found = compared("--fail-on-worse", *arguments)

        assert found["failed_on"] == failed
        assert found["code"] == (3 if failed else 0)
        assert found["said"].count("gramscope: --fail-on-worse ") == len(failed)

    def test_one_of_several_features(
        self, a: JobDir, b: JobDir, compared: Callable[..., dict[str, Any]]
    ) -> None:
        a.measure(10, **{"head/spread": 0.5, "backbone/spread": 0.5})
        b.measure(10, **{"head/spread": 0.1, "backbone/spread": 0.5})

        assert compared("--fail-on-worse", "spread")["failed_on"] == ["head/spread"]
        assert compared("--fail-on-worse", "backbone/spread")["code"] == 0

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["{}/a", "{}/a/."], "{}/a and {}/a are the same run"),
            (["{}/a", "{}/nowhere"], "{}/nowhere does not exist"),
            (["{}/a", "{}"], "{} holds 2 runs; name one of them: {}/a, {}/b"),
            (
                ["{}/a", "{}/b", "--fail-on-worse", "sprad"],
                "no 'sprad' in both runs; perhaps spread",
            ),
            (
                ["{}/a", "{}/b", "--fail-on-worse", "offdiag_std"],
                "offdiag_std:low (lower is worse)",
            ),
            (["{}/a", "{}/b", "--fail-on-worse", "lidar"], "lidar: only a has it"),
            (["{}/a", "{}/b", "--output", "{}"], "{} is a directory"),
            (["{}/a", "{}/b", "--tolerance", "-1"], "expected a number from 0, but got '-1'"),
            (["{}/a", "{}/b", "--tolerance", "nan"], "expected a number from 0, but got 'nan'"),
        ],
    )
    def test_bad_input_is_one_line(
        self,
        arguments: list[str],
        said: str,
        a: JobDir,
        b: JobDir,
        sweep: SweepDir,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        a.measure(10, spread=0.5, offdiag_std=0.1, lidar=1.0)
        b.measure(10, spread=0.5, offdiag_std=0.1)

        assert code_of("compare", *(text.format(sweep.path) for text in arguments)) == 2

        assert said.replace("{}", str(sweep.path)) in capsys.readouterr().err.splitlines()[-1]


def test_it_prints_what_differs_without_torch_and_writes_the_page(
    a: JobDir, b: JobDir, sweep: SweepDir
) -> None:
    hostile = "evil\x1b[31m" + "x" * 10_000
    for job, rank in ((a, 20.0), (b, 10.0)):
        for step in STEPS:
            job.log(
                step, metrics={"effective_rank": rank, "spread": rank / 100}, log_key=hostile[:50]
            )
    (b.path / ".hydra" / "config.yaml").write_text(json.dumps({"seed": 2, "name": hostile}))
    page = sweep.path / "both.html"

    command = [sys.executable, "-c", SCRIPT, "compare", str(a.path), str(b.path)]
    done = subprocess.run(
        [*command, "--output", str(page)], capture_output=True, text=True, check=True
    )

    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert done.stderr == "\n"
    assert "seed 1 2" in lines
    assert any(line.startswith("name — evil\\x1b[31mxxx") and line.endswith("…") for line in lines)
    ((at, a_line),) = [(i, x) for i, x in enumerate(lines) if x.startswith("effective_rank A")]
    assert a_line == "effective_rank A 20.0 20.0 20.0 20.0 20.0 400 2e-05 10 B"
    assert lines[at + 1] == "B 10.0 10.0 10.0 10.0 10.0 400"
    assert "spread 0.200 0.100 2e-07 10 B" in lines
    assert lines[-1] == f"page {page}"
    assert "\x1b" not in done.stdout
    assert page.is_file()
