"""The harness that runs documented commands finds them, and finds what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest

from tests.commands import Commands, Done, Result, Run
from tests.composing import BASE
from tests.foreign.documents import BadInput, bad_input, blocks, seen_in
from tests.foreign.test_documented_commands import became, check, check_answer

EXAMPLE = """\
```bash
# A comment.
python show.py +callbacks=gram \\
  gram/samples=small   # another
python show.py '+note="8 9"'  # last
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
    first = "python show.py +callbacks=gram gram/samples=small"

    assert list(blocks(EXAMPLE)) == [
        (1, [first, "python show.py '+note=\"8 9\"'"]),
        (8, ["gramscope presets"]),
        (12, ["scripts/test -k a#b"]),
        (18, ["scripts/train --cfg job data=nifti data.root=DIR"]),
        (18, ["scripts/train --cfg job 'logger=[csv,tensorboard]'"]),
        (22, ["python show.py +callbacks=gram | grep feature_key"]),
    ]


def test_rows_of_bad_input_are_found() -> None:
    first, second = bad_input(EXAMPLE)

    instead = ["python show.py +callbacks=gram"]
    assert first == BadInput(27, "python show.py x=1", ["not find 'grm'", "gram"], False, instead)
    assert second == BadInput(28, "python show.py x=0", ["x: 0"], True, ["gramscope presets"])


@pytest.mark.parametrize("text", ["```sh\nscripts/test\n```", "```bash\nscripts/test\n"])
def test_a_block_that_can_not_be_read_is_an_error(text: str) -> None:
    with pytest.raises(AssertionError, match="line 1"):
        list(blocks(text))


def done(output: str, returncode: int = 0, left: tuple[str, ...] = ()) -> Done:
    """What could have become of a command."""
    return Done(Path(), [Result("x", returncode, output, "", [*left])])


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
def test_what_is_wrong_is_found(found: Done) -> None:
    check(done("fine"))

    with pytest.raises(AssertionError):
        check(found)


@pytest.mark.parametrize(
    "found",
    [
        done("can not find 'grm' … gram", 0),
        done("can not find 'grm'", 1),
        pytest.param(
            done("can not find 'grm' … gram Traceback", 1),
            marks=pytest.mark.skipif(not BASE, reason="Hydra 1.4 always shows a job's traceback"),
        ),
    ],
    ids=["exit code", "message", "trace"],
)
def test_bad_input_that_is_answered_otherwise(found: Done) -> None:
    row = BadInput(1, "x", ["not find 'grm'", "gram …"], False, [])
    check_answer(row, done("can not find 'grm' … gram", 1).result)

    with pytest.raises(AssertionError):
        check_answer(row, found.result)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cowsay hello", "teach the harness"),
        ("python nothing.py", "no application has"),
        ("python train.py && rm -r outputs", "more than one command"),
        ("pip uninstall hydra-gramscope", "teach the harness"),
        ("scripts/tset", "there is no"),
        ("scripts/test tests/hidra", "there is no"),
        ("scripts/train --cfg job model=huge", "Could not find 'model/huge'"),
        ("scripts/bench overhaed", "there is no benchmark"),
        ("scripts/bench gather --larger", "there is no --larger"),
        ("python -m tests.support", "is no program"),
        (".venv/bin/python -m pitest", "there is no module"),
        ("gramscope diagnose outputs/… --watch", "has no --watch"),
        ("wandb snyc", "returned non-zero exit status"),
    ],
)
def test_a_command_that_can_not_be_right(text: str, why: str, commands: Commands) -> None:
    with pytest.raises(Exception, match=why):
        became(commands, text)


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

    assert result == Result(text, 0, "begun\n", "", ["sleep 1000"])


@pytest.mark.parametrize("options", [{"warm": False}, {}], ids=["shell", "warm"])
def test_a_command_that_takes_too_long_is_ended(options: dict[str, Any], run: Run) -> None:
    result = run("minimal", "python train.py trainer.max_steps=-1", timeout_s=1, **options).result

    assert result.returncode != 0
    assert "still running after 1 s" in result.output
    assert result.left == []
