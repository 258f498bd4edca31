"""The harness that runs documented commands finds them, and finds what is wrong with them."""

from pathlib import Path

import pytest

from tests.commands import Done, Result, Run
from tests.foreign import planning
from tests.foreign.documents import BadInput, bad_input, blocks, seen_in
from tests.foreign.test_documented_commands import check, check_answer

EXAMPLE = """\
```bash
# A comment.
python show.py +callbacks=gram \\
  gram/samples=small   # another
python show.py '+note="8 # 9"'
```

In a sentence, `gramscope presets` is a command, `gramscope` and `python` alone are names.

1. In a list:

   ```bash
   scripts/test -k a#b
   ```

| to | write |
|---|---|
| use your volumes | `data=nifti data.root=DIR`, or `'logger=[csv,tensorboard]'` |

| to see | run |
|---|---|
| a bar | `python show.py +callbacks=gram \\| grep feature_key` |
| nothing | `callbacks.gram=null` |

| you write | you see | write instead |
|---|---|---|
| `python show.py x=1` | `not find 'grm'`, and `gram` | `python show.py +callbacks=gram` |
| `python show.py x=0` | a warning: `x: 0` | `x`, see `gramscope presets` |
"""


def test_every_command_line_is_found() -> None:
    assert list(blocks(EXAMPLE)) == [
        (
            1,
            [
                "python show.py +callbacks=gram gram/samples=small",
                "python show.py '+note=\"8 # 9\"'",
            ],
        ),
        (8, ["gramscope presets"]),
        (12, ["scripts/test -k a#b"]),
        (18, ["scripts/train --cfg job data=nifti data.root=DIR"]),
        (18, ["scripts/train --cfg job 'logger=[csv,tensorboard]'"]),
        (22, ["python show.py +callbacks=gram | grep feature_key"]),
    ]


def test_rows_of_bad_input_are_found() -> None:
    assert list(bad_input(EXAMPLE)) == [
        BadInput(
            27,
            "python show.py x=1",
            ["not find 'grm'", "gram"],
            False,
            ["python show.py +callbacks=gram"],
        ),
        BadInput(28, "python show.py x=0", ["x: 0"], True, ["gramscope presets"]),
    ]


@pytest.mark.parametrize("text", ["```sh\nscripts/test\n```", "```bash\nscripts/test\n"])
def test_a_block_that_can_not_be_read_is_an_error(text: str) -> None:
    with pytest.raises(AssertionError, match="line 1"):
        list(blocks(text))


def done(output: str, returncode: int = 0, left: tuple[str, ...] = ()) -> Done:
    """What could have become of a command."""
    return Done(Path(), [Result("x", returncode, output, "", [*left])])


def test_a_command_that_works() -> None:
    check(done("fine"))


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
def test_a_command_that_does_not(found: Done) -> None:
    with pytest.raises(AssertionError):
        check(found)


@pytest.mark.parametrize(
    ("output", "returncode"),
    [
        ("can not find 'grm' … gram", 0),
        ("can not find 'grm'", 1),
        ("can not find 'grm' … gram Traceback", 1),
    ],
    ids=["exit code", "message", "trace"],
)
def test_bad_input_that_is_answered_otherwise(output: str, returncode: int) -> None:
    row = BadInput(1, "x", ["not find 'grm'", "gram …"], False, [])
    check_answer(row, done("can not find 'grm' … gram", 1).result)

    with pytest.raises(AssertionError):
        check_answer(row, done(output, returncode).result)


@pytest.mark.parametrize(
    "text",
    [
        "cowsay hello",
        "python nothing.py",
        "python train.py && rm -r outputs",
        "pip uninstall hydra-gramscope",
    ],
)
def test_a_command_that_nobody_knows(text: str) -> None:
    with pytest.raises(planning.UnknownCommandError):
        planning.plan(text)


@pytest.mark.parametrize(
    "text",
    [
        "scripts/tset",
        "scripts/test tests/hidra",
        "scripts/train --cfg job model=huge",
        "scripts/bench overhaed",
        "scripts/bench gather --larger",
        "python -m tests.support",
        "git gud",
        "tensorboard --logs outputs",
        ".venv/bin/python -m pitest",
    ],
)
def test_a_command_that_is_only_checked(text: str) -> None:
    with pytest.raises(
        Exception, match=r"can't be|there is no|no benchmark|no program|has no|unknown|find"
    ):
        assert planning.plan(text) is None
        planning.check(text)


@pytest.mark.parametrize(
    ("excerpt", "seen"),
    [("b c", True), ("a … d", True), ("d … a", False), ("…", True), ("b.c", False)],
)
def test_an_excerpt_is_looked_for_whatever_the_white_space(excerpt: str, seen: bool) -> None:
    assert seen_in("a\n  b   c\td", excerpt) is seen


def test_what_a_command_leaves_behind_is_ended_and_told(run: Run) -> None:
    # Long enough for the other process to have become what it will be.
    text = "setsid sleep 1000 > /dev/null & sleep 0.5; echo begun"

    result = run("", text, patience_s=0.5).result

    assert (result.returncode, result.output) == (0, "begun\n")
    assert result.left == ["sleep 1000"]


@pytest.mark.parametrize("application", ["", "minimal"])
def test_a_command_that_takes_too_long_is_ended(application: str, run: Run) -> None:
    text = "python train.py trainer.max_steps=-1" if application else "sleep 1000"

    result = run(application, text, timeout_s=1).result

    assert result.returncode != 0
    assert "still running after 1 s" in result.output
    assert result.left == []
