"""Every command line that the README and the other documents show does what they say.

`tests/foreign/documents.py` says what counts as a command line, `tests/foreign/planning.py` how
each is run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Commands, Done, Result, assert_no_traceback
from tests.composing import BASE
from tests.foreign import planning
from tests.foreign.documents import BadInput, bad_input, blocks, seen_in

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown() -> Iterator[Any]:
    """Each command line, what stands before it, and what is shown to run the same together."""
    for document in DOCUMENTS:
        for line, block in blocks(document.read_text()):
            for before, text in zip([planning.SWEEP, *block], block, strict=False):
                yield pytest.param(text, before, id=f"{document.name}:{line}")


def rows() -> Iterator[Any]:
    """Each row of bad input."""
    for document in DOCUMENTS:
        for row in bad_input(document.read_text()):
            if row.later_hydra and BASE:
                continue  # runs with that Hydra, in the matrix
            yield pytest.param(row, id=f"{document.name}:{row.line}")


def became(commands: Commands, text: str, before: str = planning.SWEEP) -> Done | None:
    """Run a command line; None if it is one that is not run here, and looks right."""
    if "scripts/train" in text and not BASE:
        pytest.skip("the bundled job is installed with Hydra 1.3")
    planned = planning.plan(text, before)
    if planned is None:
        planning.check(text)
        return None
    return commands.run(*planned)


def check(done: Done | None) -> None:
    """Fail for a command that did not do what it should."""
    assert done is None or "does not provide the extra" not in done.output


def check_answer(row: BadInput, result: Result) -> None:
    """Fail for bad input that was not answered as the row says."""
    assert (result.returncode == 0) == row.only_warns, f"{result.text}\n{result.output}"
    assert_no_traceback(result)
    for excerpt in row.seen:
        assert seen_in(result.output, excerpt), f"{excerpt!r} is not in\n{result.output}"


@pytest.mark.parametrize(("text", "before"), list(shown()))
def test_a_command_does_what_is_shown(text: str, before: str, commands: Commands) -> None:
    check(became(commands, text, before))


@pytest.mark.parametrize("row", list(rows()))
def test_bad_input_is_answered_as_shown(row: BadInput, commands: Commands) -> None:
    done = became(commands, row.written)

    assert done is not None, "bad input has to be run"
    check_answer(row, done.result)
    for text in row.instead:
        check(became(commands, text))


def test_the_documents_show_commands() -> None:
    """A harness that finds nothing would find no fault either."""
    assert len([*shown()]) > 20
    assert len([*rows()]) > 5
