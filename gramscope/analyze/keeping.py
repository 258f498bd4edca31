"""Events of files on disk, as a run keeps them, and the page of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gramscope.events import Event
from gramscope.events.files import EVENTS_FILE, append_event, stem, write_atomically
from gramscope.report.files import ReportError, plain

__all__ = ["keep_lines", "keep_matrix", "place", "write_page"]


@contextmanager
def place(save_dir: Path | None, name: str) -> Iterator[Path]:
    """Where events go: a directory that stays, or one that does not.

    Args:
        save_dir: That stays; ``None``: none.
        name: What the page is to call what is in the other one.

    Raises:
        ReportError: If there are events already.
    """
    if save_dir is not None:
        if (save_dir / EVENTS_FILE).exists():
            raise ReportError(f"{save_dir} holds events already; choose another --save-dir")
        yield save_dir
        return
    with TemporaryDirectory(prefix="gramscope-") as directory:
        yield Path(directory) / name


def keep_matrix(directory: Path | None, event: Event) -> None:
    """Write an event's matrix, and let go of it: of many files there is one in memory at a time.

    Args:
        directory: Where to; ``None``: nowhere.
        event: Of the matrix.

    Raises:
        ReportError: If it cannot be written.
    """
    matrix, event.matrix = event.matrix, None
    if directory is not None and matrix is not None:
        path = stem(directory, event.log_key, event.step).with_suffix(".npz")
        with _writing(directory):
            write_atomically(path, matrix.npz())


def keep_lines(directory: Path, events: Sequence[Event]) -> None:
    """Write the account of events.

    Raises:
        ReportError: If it cannot be written.
    """
    with _writing(directory):
        for event in events:
            append_event(directory, event)


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportError(f"{directory} cannot be written ({error.strerror})") from None


def write_page(directory: Path, output: Path, files: Sequence[Path]) -> list[str]:
    """Write the page of the events in a directory, which are of some files; what it lacks.

    Raises:
        ReportError: If it cannot be written.
    """
    from gramscope.report.run.report import run_report

    return run_report([directory], output, files=[plain(file) for file in files])
