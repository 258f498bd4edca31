"""Brings one step's rows together and turns them into numbers, away from the training thread."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gramscope.metrics import (
    gram_matrix,
    offdiag_max,
    offdiag_mean,
    offdiag_min,
    offdiag_std,
    singular_values,
)
from gramscope.monitor.buffers import BufferPool
from gramscope.events.event import Event
from gramscope.monitor.recorder import Exhibit, Gallery
from gramscope.monitor.exchange import Contribution, Gathered, Plane, Problem
from gramscope.monitor.notices import Notices
from gramscope.monitor.threads import use_one_core
from gramscope.monitor.worker import Worker

__all__ = ["METRICS", "Engine", "Job", "Watch"]

_OF_GRAM = {
    "offdiag_mean": offdiag_mean,
    "offdiag_std": offdiag_std,
    "offdiag_min": offdiag_min,
    "offdiag_max": offdiag_max,
}

METRICS = (*_OF_GRAM, "nonfinite_rows")
"""Names of the numbers that an event has."""


@dataclass
class Watch:
    """What one monitor watches, and where its events come back."""

    feature_key: str
    log_key: str
    save_dir: Path | None = None
    """Where events are kept; ``None``: nowhere."""
    prepare: Callable[[Event], Any] | None = None
    """Called with each drawn event, off the training thread; its result is `Event.prepared`."""
    finished: deque[Event] = field(default_factory=deque)
    """Events at their end, for the training thread to take."""
    pool: BufferPool = field(default_factory=lambda: BufferPool(4))
    """Memory for rows, which the training thread fills and the monitor thread gives back."""
    submitted: int = 0
    """Jobs with rows so far; the training thread counts."""
    worked: int = 0
    """Those of them that wait no more; counted under the worker's lock."""


@dataclass
class Job:
    """One due step on its way from the training thread to the monitor thread."""

    watch: Watch
    step: int
    chunks: list[Tensor] = field(default_factory=list)
    """This rank's rows on the host, ``[k, D]`` each; complete once ``ready`` has returned."""
    index: Callable[[], list[int]] = list
    ready: Callable[[], None] | None = None
    """Waits until an accelerator has delivered the rows."""
    quota: int = 0
    """Rows that this rank is to give; 0 where others give them all."""
    problem: Problem = Problem.none
    exchanged: bool = False
    """Whether the collective calls of this event have begun on this rank."""


class Engine:
    """One monitor thread and one communication plane for all monitors of a run.

    Its methods belong to the training thread. Only `wait_idle` and `close`, which are for the
    end of a run, wait for anything. Construct it on every rank at the same point.

    Args:
        max_samples: Largest number of rows of any monitor that will use it.
        timeout_s: Seconds to wait for a peer or a picture.
    """

    def __init__(self, max_samples: int, timeout_s: float = 60.0) -> None:
        self.plane = Plane(max_samples, timeout_s)
        self.notices = Notices(logging.WARNING if self.plane.is_root else logging.INFO)
        self._gallery = Gallery(timeout_s, self.notices) if self.plane.is_root else None
        self._worker: Worker[Job] = Worker(
            self._work,
            self._abandon,
            retry=lambda job: not job.exchanged,
            name="gramscope-monitor",
        )
        self._closed = False
        if self.plane.is_member:
            self._worker.start(_warm_up)
        if self._gallery is not None:
            self._gallery.warm_up()

    def submit(self, job: Job, max_pending: int) -> None:
        """Hand over one due step.

        Args:
            job: Its rows are given up if too many of the same monitor still wait; the step
                itself stays in line, because every rank must come to the same exchanges.
            max_pending: How many are too many.
        """
        watch = job.watch
        if watch.submitted - watch.worked >= max_pending and not job.problem:
            job = Job(watch, job.step, problem=Problem.backlog)
        watch.submitted += not job.problem
        self._worker.put(job)

    def record(self, event: Event, save_dir: Path | None) -> None:
        """Account for an event whose outcome is final, and let go of its picture.

        Args:
            event: The event.
            save_dir: Where its line goes; ``None``: nowhere.
        """
        if self._gallery is not None:
            self._gallery.record(event, save_dir)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until everything handed over has come to its end.

        Args:
            timeout_s: How long at most, for each of the two threads.

        Returns:
            Whether it has.
        """
        return self._worker.wait_idle(timeout_s) and (
            self._gallery is None or self._gallery.wait_idle(timeout_s)
        )

    def close(self) -> None:
        """End threads, renderer and group; what still waits ends as skipped."""
        if self._closed:
            return
        self._closed = True
        if self._worker.close():
            self.plane.close()
        if self._gallery is not None:
            self._gallery.close()

    def _abandon(self, job: Job) -> None:
        if self.plane.talking and not self._closed:  # peers wait for a dead thread's answer
            self.plane.give_up("the monitor thread died")
        job.watch.worked += not job.problem
        if self._gallery is not None:
            event = self._event(job)
            event.skip("shutdown" if self._closed else "monitor_died")
            self._gallery.add(Exhibit(event, job.watch.finished))

    # From here on: the monitor thread.

    def _work(self, job: Job) -> Callable[[], None]:
        with torch.no_grad():
            mine = self._contribution(job)
            job.exchanged = True
            gathered = self.plane.exchange(job.watch.log_key, job.step, mine)
            if gathered is None:
                return partial(self._deliver, job, None)
            watch = job.watch
            exhibit = Exhibit(self._event(job), watch.finished, watch.save_dir, watch.prepare)
            try:
                self._measure(exhibit, gathered)
            except Exception as error:
                self.notices.warn("event_failed", f"Step {job.step} gives no picture: {error!r}")
                exhibit.gram = None
                exhibit.event.skip("event_failed")
        return partial(self._deliver, job, exhibit)

    def _deliver(self, job: Job, exhibit: Exhibit | None) -> None:
        job.watch.worked += not job.problem
        if exhibit is not None and self._gallery is not None:
            self._gallery.add(exhibit)

    def _contribution(self, job: Job) -> Contribution:
        if job.problem:
            return Contribution(problem=job.problem)
        try:
            if job.ready is not None:
                job.ready()
            if not any(len(chunk) for chunk in job.chunks):
                return Contribution(problem=Problem.no_rows if job.quota else Problem.none)
            features = torch.cat([chunk.float() for chunk in job.chunks])
            if job.ready is None:
                job.watch.pool.give_back(job.chunks)
            job.chunks = []
            return Contribution(features, job.index())
        except Exception as error:
            self.notices.warn(
                "copy_failed", f"The rows of step {job.step} could not be copied: {error!r}"
            )
            return Contribution(problem=Problem.copy_failed)

    def _event(self, job: Job) -> Event:
        return Event(job.step, job.watch.log_key, job.watch.feature_key, self.plane.world_size)

    def _measure(self, exhibit: Exhibit, gathered: Gathered) -> None:
        event = exhibit.event
        finite = gathered.features.isfinite().all(dim=1)  # [N]
        features = gathered.features[finite]
        event.n = len(features)
        nonfinite = len(finite) - event.n
        if not event.n:
            event.skip("nonfinite" if nonfinite else _why_nothing(gathered.problems))
            return
        for problem in _by_problem(gathered.problems):
            self.notices.warn(problem, f"No rows at step {event.step} from {problem}")
            event.remark(problem)
        if nonfinite:
            event.remark(f"{nonfinite} rows with NaN or Inf left out")
        gram = gram_matrix(features)
        event.keep_finite(
            {
                **{name: measure(gram) for name, measure in _OF_GRAM.items()},
                "nonfinite_rows": nonfinite,
            }
        )
        exhibit.gram = gram
        exhibit.rank, exhibit.index = gathered.rank[finite], gathered.index[finite]
        if exhibit.save_dir is not None:
            exhibit.spectrum = singular_values(features)


def _warm_up() -> None:
    """Prepare the monitor thread, so that the first event is no slower than the others."""
    use_one_core()
    singular_values(gram_matrix(torch.eye(2, dtype=torch.float32, device="cpu")))


def _by_problem(problems: dict[int, Problem]) -> list[str]:
    """One text for each problem, naming its ranks."""
    ranks: dict[Problem, list[int]] = defaultdict(list)
    for rank, problem in sorted(problems.items()):
        ranks[problem].append(rank)
    return [
        f"rank{'s' if len(r) > 1 else ''} {', '.join(map(str, r))}: {problem.name}"
        for problem, r in ranks.items()
    ]


def _why_nothing(problems: dict[int, Problem]) -> str:
    if problems.get(0) is Problem.backlog:
        return Problem.backlog.name
    if len(set(problems.values())) == 1:
        return next(iter(problems.values())).name
    return "; ".join(_by_problem(problems)) or Problem.no_rows.name
