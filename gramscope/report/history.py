"""What was recorded of one thing that was watched in one job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gramscope.diagnosis import number_of
from gramscope.events import Event, Matrix
from gramscope.events.files import files_of_steps, read_events, stem
from gramscope.events.matrix import MatrixError
from gramscope.report.files import plain

__all__ = [
    "Columns",
    "History",
    "columns",
    "feature_names",
    "features_of",
    "gather",
    "gram_of",
    "read_histories",
    "read_watched",
    "role_names",
    "roles_of",
]

Floats = npt.NDArray[np.float32]

Columns = dict[str, dict[int, float]]
"""Values by the number's key, and by step."""


@dataclass
class History:
    """The events of what was watched, the latest of each step, in the order of steps."""

    feature_key: str
    title: str
    """What the run calls it."""
    log_key: str
    directory: Path
    role: str | None = None
    """Which of several features that were watched together it is of; ``None``: of all."""
    events: dict[int, Event] = field(default_factory=dict)
    on_disk: frozenset[int] = frozenset()
    """Steps that there is a matrix of."""

    @property
    def name(self) -> str:
        """What the feature is called."""
        return self.role or self.title

    @property
    def logged(self) -> list[int]:
        """Steps with numbers, and with a picture if one was due."""
        return [step for step, event in self.events.items() if event.logged]

    @property
    def drawn(self) -> list[int]:
        """Steps that had a picture."""
        return [step for step in self.logged if self.events[step].drawn]

    @property
    def pictured(self) -> list[int]:
        """Those of them whose matrix is on disk."""
        return [step for step in self.drawn if step in self.on_disk]

    @property
    def thinned(self) -> str:
        """How many of the matrices are left, if more than one is not; else empty."""
        left, of = len(self.pictured), len(self.drawn)
        return f"matrices of {left:,} of {of:,} events are on disk" if left < of - 1 else ""

    @property
    def skipped(self) -> Counter[str]:
        """How many due steps were skipped, by reason."""
        reasons = [event.reason or "" for event in self.events.values() if not event.logged]
        # What follows the first word differs from step to step: which ranks, which rows.
        return Counter(reason.partition(";")[0] or "no reason given" for reason in reasons)

    @property
    def last_step(self) -> int:
        """The last due step on record."""
        return max(self.events)

    def series(self, metric: str) -> list[tuple[int, float]]:
        """Steps and values of one metric, of skipped steps too where it was computed."""
        return [(s, e.metrics[metric]) for s, e in self.events.items() if metric in e.metrics]

    def matrix_file(self, step: int) -> Path:
        """Where the matrix of a step is if it was kept."""
        return stem(self.directory, self.events[step].log_key, step).with_suffix(".npz")


def read_histories(path: Path) -> tuple[list[History], list[str]]:
    """A history for each feature in one ``events.jsonl``, and what was wrong with the file."""
    try:
        watched, problems = read_watched(path)
    except OSError as error:
        return [], [f"{path.name} is unreadable ({plain(error.strerror)})"]
    return [one for history in watched for one in roles_of(history)], problems


def read_watched(path: Path) -> tuple[list[History], list[str]]:
    """A history for each thing watched in one ``events.jsonl``, and what was wrong with the file.

    Raises:
        OSError: If it cannot be read.
    """
    events, problems = read_events(path)
    return gather(events, path.parent), problems


def gather(events: Iterable[Event], directory: Path) -> list[History]:
    """A history for each thing watched, of the events on record below a directory.

    A step that occurs twice, as after a resume, counts as its later line says. Features that were
    watched together are one thing.
    """
    found: dict[tuple[str, str], History] = {}
    for event in map(_plainly, events):
        key = (event.name, plain(event.log_key))
        if key not in found:
            found[key] = History(event.feature_key, *key, directory)
        found[key].events[event.step] = event
    for history in found.values():
        history.events = dict(sorted(history.events.items()))
        history.on_disk = _on_disk(history)
    return list(found.values())


def _plainly(event: Event) -> Event:
    """With texts that no terminal or page takes for anything else."""
    event.feature_key, event.name = plain(event.feature_key), plain(event.name)
    event.reason = plain(event.reason or "")
    if not all(map(str.isprintable, event.metrics)):
        event.metrics = {plain(name): value for name, value in event.metrics.items()}
    return event


def _on_disk(history: History) -> frozenset[int]:
    try:
        files = list(files_of_steps(history.matrix_file(history.last_step).parent))
    except OSError:  # each will say so that is looked for
        return frozenset(history.events)
    return frozenset(step for step, file in files if file.name.endswith(".npz"))


def columns(history: History) -> Columns:
    """All numbers at once: many times faster than `History.series` of each."""
    found: Columns = {}
    for step, event in history.events.items():
        for key, value in event.metrics.items():
            found.setdefault(key, {})[step] = value
    return found


def role_names(keys: Iterable[str]) -> list[str]:
    """Which features numbers name; empty where there is one only, whose keys name none."""
    return list(dict.fromkeys(role for key in keys if (role := _role(key))))


def features_of(keys: Collection[str]) -> list[str]:
    """The features that pictures are of: the one that keys do not name, or each that they name.

    Beside one without a name others have numbers alone, as the class token beside patches.
    """
    own = [number for key in keys if (number := number_of(key)) and number.name == key]
    return [""] if any(not number.joint for number in own) else role_names(keys) or [""]


def roles_of(history: History) -> list[History]:
    """A history for each feature that its events are of; what is of several is in all of them."""
    keys = dict.fromkeys(key for e in history.events.values() for key in e.metrics)
    role_of = {key: _role(key) for key in keys}
    return [_of_role(history, role, role_of) if role else history for role in features_of(keys)]


def _of_role(history: History, role: str, role_of: Mapping[str, str]) -> History:
    names = {k: k.removeprefix(f"{role}/") for k, of in role_of.items() if of in ("", role)}
    events = {
        step: replace(event, metrics={names[k]: v for k, v in event.metrics.items() if k in names})
        for step, event in history.events.items()
    }
    return replace(history, role=role, events=events)


def _role(key: str) -> str:
    """Which of several features a number is of; empty if of all, or where there is one."""
    number = number_of(key)
    if number is None or number.joint:
        return ""
    return key.removesuffix(number.name).rstrip("/")


def gram_of(matrix: Matrix, role: str | None) -> tuple[Floats, Floats | None]:
    """The gram matrix and the spectrum of one feature, of those that were watched together.

    Raises:
        MatrixError: If it has none there.
    """
    if role in (None, matrix.role):
        return matrix.gram, matrix.spectrum
    if role in matrix.others:
        return matrix.others[role].gram, matrix.others[role].spectrum
    raise MatrixError("no picture data of this feature")


def feature_names(histories: Sequence[History]) -> list[str]:
    """What tells the histories of one job apart: the feature, and more only where needed."""
    names = [h.name for h in histories]
    if len(set(names)) < len(names):
        names = [f"{h.name} ({h.log_key})" for h in histories]
    if len(set(names)) < len(names):
        names = [f"{h.name} ({plain(h.directory.name)}/{h.log_key})" for h in histories]
    return names
