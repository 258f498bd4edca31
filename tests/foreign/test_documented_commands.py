"""Every command line that the README and the other documents show does what they say.

`tests/foreign/markdown.py` says what counts as a command line, `tests/foreign/planning.py` how each
is run: from an installed wheel, in an application that is not ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.foreign import planning
from tests.foreign.markdown import BadInput, Command, bad_input, blocks, seen_in
from tests.foreign.running import Done, Result, Run, Step

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Shown:
    """A command, and where it stands in its run; without a run it is only checked."""

    command: Command
    run: Run | None = None
    index: int = 0
    problem: str = ""


def plan(block: tuple[Command, ...]) -> list[Shown]:
    """Put the commands of a block into runs: into one if a command needs what another leaves."""
    compared = any("sweep-report" in command.text for command in block)
    told = any(command.excerpt or "wandb" in command.text for command in block)
    together: list[Step] = []
    planned: list[tuple[Command, list[Step], int, str]] = []
    for command in block:
        these, problem = [], ""
        try:
            these = planning.steps(command.text, compared=compared, told=told)
        except ValueError as error:
            problem = str(error)
        if these and these[0].application is None and not together:
            # A report that is shown without the sweep it is about.
            together += planning.steps("python train.py -m +callbacks=gram_teacher,gram_student")
        together += these
        planned.append((command, these, len(together) - 1, problem))
    if any(step.application is None for step in together):
        run = Run(tuple(together))
        return [Shown(c, run if these else None, at, what) for c, these, at, what in planned]
    # Alike commands are then run once, wherever they are shown.
    return [
        Shown(c, Run(tuple(these)) if these else None, len(these) - 1, what)
        for c, these, _, what in planned
    ]


def commands(file: str, text: str) -> Iterator[Any]:
    """Parameters `done` and `shown` for each command line of a document."""
    for block in blocks(file, text):
        for shown in plan(block):
            yield pytest.param(shown.run, shown, id=str(shown.command))


def rows(file: str, text: str) -> Iterator[Any]:
    """Parameters `done`, `row` and `all_shown` for each row of bad input of a document."""
    for row in bad_input(file, text):
        all_shown = plan((row.command, *row.instead))
        runs = tuple(dict.fromkeys(shown.run for shown in all_shown))
        yield pytest.param(runs, row, all_shown, id=str(row.command))


def of_every_document(find: Any) -> list[Any]:
    """What `find` finds in the documents."""
    return [
        case
        for document in DOCUMENTS
        for case in find(document.relative_to(ROOT).as_posix(), document.read_text())
    ]


def assert_succeeded(shown: Shown, done: Done | None) -> Result | None:
    """Check a command that is expected to work; without a result it was not run but checked."""
    assert not shown.problem, shown.problem
    if done is None:
        planning.check(shown.command.text)
        return None
    result = done.results[shown.index]
    assert result.returncode == 0, f"{result.text}\n{result.output}"
    assert result.left == ()
    assert result.warnings_about_us == []
    assert "does not provide the extra" not in result.output
    for excerpt in shown.command.excerpt:
        assert seen_in(result.output, excerpt), f"{excerpt!r} is not in\n{result.output}"
    return result


def assert_answered(
    row: BadInput, all_shown: list[Shown], done: dict[Run | None, Done | None]
) -> None:
    """Check that bad input is answered as the row says, and that its advice works."""
    bad, *instead = all_shown
    assert not bad.problem, bad.problem
    became = done[bad.run]
    assert became is not None, "bad input has to be run"
    result = became.results[bad.index]
    assert (result.returncode == 0) == row.only_warns, f"{result.text}\n{result.output}"
    assert row.may_trace or "Traceback" not in result.output, result.output
    for excerpt in row.seen:
        assert seen_in(result.output, excerpt), f"{excerpt!r} is not in\n{result.output}"
    for shown in instead:
        assert_succeeded(shown, done[shown.run])


@pytest.mark.parametrize(("done", "shown"), of_every_document(commands), indirect=["done"])
def test_a_command_does_what_is_shown(done: Done | None, shown: Shown) -> None:
    assert_succeeded(shown, done)


@pytest.mark.parametrize(("done", "row", "all_shown"), of_every_document(rows), indirect=["done"])
def test_bad_input_is_answered_as_shown(
    done: dict[Run | None, Done | None], row: BadInput, all_shown: list[Shown]
) -> None:
    assert_answered(row, all_shown, done)


def test_the_documents_show_commands() -> None:
    """A harness that finds nothing would find no fault either."""
    assert len(of_every_document(commands)) > 20
