"""The harness that runs documented commands finds them, and finds what is wrong with them."""

import dataclasses
from pathlib import Path

import pytest

from tests.foreign import planning
from tests.foreign.markdown import BadInput, bad_input, blocks, seen_in
from tests.foreign.running import Done, Result, Run, Step, after
from tests.foreign.test_documented_commands import (
    Shown,
    assert_answered,
    assert_succeeded,
    commands,
    rows,
)

EXAMPLE = (Path(__file__).parent / "example.md").read_text()
COMMANDS = list(commands("example.md", EXAMPLE))
ROWS = list(rows("example.md", EXAMPLE))


def test_every_command_line_is_found() -> None:
    found = [[(c.line, c.text) for c in block] for block in blocks("example.md", EXAMPLE)]

    assert found == [
        [
            (5, "python show.py +callbacks=gram gram/samples=small"),
            (
                7,
                "python show.py '+callbacks=[gram,gram_teacher]' '+note=\"8 # 9\"'",
            ),
        ],
        [(11, "gramscope presets"), (15, "python show.py +callbacks=gram_teacher")],
        [(25, "gramscope presets")],
        [(30, "python show.py -m trainer.log_every_n_steps=1,2")],
        [(35, "gramscope-train --cfg job data=nifti data.root=DIR")],
        [(35, "gramscope-train --cfg job 'logger=[csv,tensorboard]'")],
        [(39, "python show.py +callbacks=gram | grep feature_key")],
    ]


def test_what_a_command_prints_is_found() -> None:
    excerpts = [c.excerpt for block in blocks("example.md", EXAMPLE) for c in block if c.excerpt]

    assert excerpts == [
        ("Presets: add one with   +callbacks=NAME, …", "gram_student student_cls_token"),
        ("feature_key: teacher_cls_token", "max_samples: 128"),
    ]


def test_rows_of_bad_input_are_found() -> None:
    first, second, third = bad_input("example.md", EXAMPLE)

    assert (first.command.line, first.command.text) == (
        46,
        "python show.py +callbacks=gram_techer",
    )
    assert first.seen == ("Could not find 'callbacks/gram_techer'", "gram_teacher")
    assert [c.text for c in first.instead] == ["python show.py +callbacks=gram_teacher"]
    assert [c.text for c in second.instead] == ["gramscope presets"]
    assert [row.only_warns for row in (first, second, third)] == [False, False, True]
    assert not first.may_trace


@pytest.mark.parametrize(("done", "shown"), COMMANDS, indirect=["done"])
def test_commands_of_the_example_run(done: Done, shown: Shown) -> None:
    assert_succeeded(shown, done)


@pytest.mark.parametrize(("done", "row", "all_shown"), ROWS, indirect=["done"])
def test_bad_input_of_the_example_is_answered(
    done: dict[Run | None, Done | None], row: BadInput, all_shown: list[Shown]
) -> None:
    assert_answered(row, all_shown, done)


class TestWhatIsWrongIsFound:
    """Each check fails when it should."""

    @pytest.fixture
    def shown(self) -> Shown:
        """A command."""
        return COMMANDS[0].values[1]

    @staticmethod
    def done(output: str, returncode: int = 0, left: tuple[str, ...] = ()) -> Done:
        """What could have become of a command."""
        return Done(Path(), (Result("x", returncode, output, 0.1, left),) * 2)

    def test_a_command_that_works(self, shown: Shown) -> None:
        assert_succeeded(shown, self.done("fine"))

    @pytest.mark.parametrize(
        "found",
        [
            done("no", returncode=1),
            done("", left=("ray",)),
            done("/a/site-packages/gramscope/x.py:3: UserWarning: hm"),
            done("WARNING: hydra-gramscope 0.1.0 does not provide the extra 'swep'"),
        ],
        ids=["exit code", "process left", "warning", "extra"],
    )
    def test_a_command_that_does_not(self, shown: Shown, found: Done) -> None:
        with pytest.raises(AssertionError):
            assert_succeeded(shown, found)

    def test_output_that_differs(self, shown: Shown) -> None:
        command = dataclasses.replace(shown.command, excerpt=("this … that",))

        assert_succeeded(dataclasses.replace(shown, command=command), self.done("this and\n that"))
        with pytest.raises(AssertionError, match="this … that"):
            assert_succeeded(dataclasses.replace(shown, command=command), self.done("this, then"))

    @pytest.mark.parametrize(
        ("output", "returncode"),
        [
            ("Could not find 'callbacks/gram_techer' … gram_teacher", 0),
            ("Could not find 'callbacks/gram_techer'", 1),
            ("Could not find 'callbacks/gram_techer' … gram_teacher Traceback", 1),
        ],
        ids=["exit code", "message", "trace"],
    )
    def test_bad_input_that_is_answered_otherwise(self, output: str, returncode: int) -> None:
        _, row, all_shown = ROWS[0].values
        result = Result("x", returncode, output, 0.1, ())

        with pytest.raises(AssertionError):
            bad, instead = all_shown
            done = {bad.run: Done(Path(), (result,)), instead.run: self.done("")}
            assert_answered(row, all_shown, done)

    @pytest.mark.parametrize(
        "text",
        [
            "cowsay hello",
            "python nothing.py",
            "python train.py && rm -r outputs",
            "pip uninstall hydra-gramscope",
        ],
    )
    def test_a_command_that_nobody_knows(self, text: str) -> None:
        with pytest.raises(planning.UnknownCommandError):
            planning.steps(text)

    @pytest.mark.parametrize(
        "text",
        [
            "scripts/tset",
            "scripts/test tests/hidra",
            "scripts/bench overhaed",
            "scripts/bench gather --larger",
            "python -m tests.support",
            "git gud",
            "tensorboard --logs outputs",
            ".venv/bin/python -m pitest",
        ],
    )
    def test_a_command_that_is_only_checked(self, text: str) -> None:
        with pytest.raises((AssertionError, planning.UnknownCommandError)):
            assert planning.steps(text) == []
            planning.check(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scripts/train a=1", "gramscope-train a=1 trainer.max_steps=3 "),
        ("gramscope-train --help", "gramscope-train --help"),
        ("gramscope-train trainer=gpu a=1", "gramscope-train trainer=gpu a=1 --cfg job"),
        ("scripts/train data=nifti data.root=DIR", "data.root=volumes "),
        ("scripts/train data=nifti data.root=brains.json", "data.root=volumes.json "),
        ("scripts/train ckpt_path=outputs/…/last.ckpt", "ckpt_path=earlier/checkpoints/last.ckpt "),
        ("scripts/train -m experiment=optuna", "hydra.sweeper.n_trials=2"),
        ("gramscope sweep-report multirun/2030-01-31/12-00-00", "sweep-report <newest sweep>"),
    ],
)
def test_a_command_of_the_job_is_made_short_and_given_what_it_asks_for(
    text: str, expected: str
) -> None:
    assert expected in planning.steps(text)[-1].text


@pytest.mark.parametrize(
    ("excerpt", "seen"),
    [("b c", True), ("a … d", True), ("d … a", False), ("…", True), ("b.c", False)],
)
def test_an_excerpt_is_looked_for_whatever_the_white_space(excerpt: str, seen: bool) -> None:
    assert seen_in("a\n  b   c\td", excerpt) is seen


# Long enough for the other process to have become what it will be.
@after(Run((Step("setsid sleep 1000 > /dev/null & sleep 0.5; echo begun", "", patience_s=0.5),)))
def test_what_a_command_leaves_behind_is_ended_and_told(done: Done) -> None:
    assert (done.result.returncode, done.result.output) == (0, "begun\n")
    assert done.result.left == ("sleep 1000 ",)


@after(Run((Step("sleep 1000", "", timeout_s=1),)))
def test_a_command_that_takes_too_long_is_ended(done: Done) -> None:
    assert done.result.returncode != 0
    assert "still running after 1 s" in done.result.output
    assert done.result.left == ()
