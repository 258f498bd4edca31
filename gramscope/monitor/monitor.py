"""The monitor of one feature: what a training loop talks to."""

from __future__ import annotations

import atexit
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gramscope.monitor.capture import StepCapture
from gramscope.monitor.engine import Engine, Job, Watch
from gramscope.events.event import Event
from gramscope.monitor.features import FeatureError
from gramscope.monitor.exchange import Problem

__all__ = ["Monitor"]

_RETURN_S = 3.0


class Monitor:
    """Watches one feature of a training run.

    In a plain PyTorch loop, with or without `torch.distributed`, on every rank alike::

        monitor = Monitor("embedding", max_samples=128, save_dir="gram")
        for step, batch in enumerate(loader, start=1):
            embedding = model(batch)  # [N, D]
            ...
            if step % 100 == 0:
                monitor.observe(step=step, features=embedding)
            for event in monitor.finished():  # on rank 0; empty elsewhere
                print(event.step, event.status, event.metrics)
        for event in monitor.close():
            print(event.step, event.status, event.metrics)

    `observe` copies the selected rows and returns; what it cannot use becomes a skipped event.

    Args:
        feature_key: Name of the feature in titles and events.
        max_samples: Rows of an event, spread evenly over all ranks.
        log_key: Name of the picture in events and on disk.
        save_dir: Where events are kept as files (rank 0 only); ``None``: nowhere.
        max_pending: Events that may wait before new ones are skipped.
        timeout_s: Seconds to wait for a peer, for a picture, and for everything in `close`.
        prepare: Called with each drawn event on a thread of the monitor's, for what is slow in
            passing it on; its result comes as `Event.prepared`.
        engine: One to share with other monitors; ``None``: its own. Construct it on every rank at
            the same point, because ranks meet there.
    """

    def __init__(
        self,
        feature_key: str = "features",
        max_samples: int = 128,
        *,
        log_key: str = "gram_matrix",
        save_dir: str | Path | None = None,
        max_pending: int = 8,
        timeout_s: float = 60.0,
        prepare: Callable[[Event], Any] | None = None,
        engine: Engine | None = None,
    ) -> None:
        directory = None if save_dir is None else Path(save_dir)
        self.watch = Watch(feature_key, log_key, directory, prepare)
        self.outcomes: Counter[str] = Counter()
        """How many due steps ended how: ``logged``, or the reason for skipping."""
        self._max_pending = max_pending
        self._timeout_s = timeout_s
        self._owns_engine = engine is None
        self._engine = engine or Engine(max_samples, timeout_s)
        self._quota = self._engine.plane.quota(max_samples)
        atexit.register(self._abandon)  # for loops that end without `close`

    @property
    def wants_rows(self) -> bool:
        """Whether this rank gives rows at all; in a very large job most do not."""
        return self._quota > 0

    @property
    def is_root(self) -> bool:
        """Whether events come back on this rank."""
        return self._engine.plane.is_root

    def capture(self, micro_batches: int = 1, *, bare_tensor: bool = False) -> StepCapture:
        """A collector for this rank's share of the rows of one step, for `submit`.

        Args:
            micro_batches: How many micro-batches the step is expected to have.
            bare_tensor: Whether an output that is itself a tensor counts as the features.
        """
        return StepCapture(
            self.watch.feature_key,
            self._quota,
            micro_batches,
            bare_tensor=bare_tensor,
            pool=self.watch.pool,
        )

    def observe(self, *, step: int, features: Tensor | Mapping[str, Any]) -> None:
        """Watch one step; every rank must call it for the same steps.

        Args:
            step: Optimizer step.
            features: ``[N, D]`` or ``[N, T, D]`` (token 0 is taken), on any device; or a mapping
                that holds them under ``feature_key``.
        """
        capture = self.capture(bare_tensor=True)
        capture.offer(features)
        capture.end_micro_batch()
        self.submit(step, capture)

    def submit(self, step: int, capture: StepCapture | None) -> None:
        """Hand over what was captured; every rank must call it for the same steps.

        Args:
            step: Optimizer step.
            capture: This rank's rows; ``None`` if the step was due but not foreseen.
        """
        if self._engine.plane.is_member:
            self._engine.submit(self._job(step, capture), self._max_pending)

    def finished(self) -> Iterator[Event]:
        """Events that came to their end, on rank 0; each is accounted for when the next is taken.

        An event that came as ``logged`` counts so unless the caller calls its `Event.skip`.
        """
        while self.watch.finished:
            event = self.watch.finished.popleft()
            try:
                yield event
            finally:
                self.outcomes[event.outcome] += 1
                self._engine.record(event, self.watch.save_dir)

    def close(self, *, engine: bool | None = None) -> Iterator[Event]:
        """Wait for what is under way, and give the remaining events like `finished`.

        Args:
            engine: Whether to end the engine as well; ``None``: if it is the monitor's own.
        """
        # A call that waits for a peer comes back, with an error, a little after its timeout.
        deadline = time.monotonic() + self._timeout_s + _RETURN_S
        while not (idle := self._engine.wait_idle(0.05)) and time.monotonic() < deadline:
            yield from self.finished()
        yield from self.finished()
        self._engine.wait_idle(max(0.0, deadline - time.monotonic()))
        atexit.unregister(self._abandon)
        if not idle or (self._owns_engine if engine is None else engine):
            yield from self.abort()

    def abort(self) -> Iterator[Event]:
        """End the engine without waiting; what is under way ends as skipped."""
        atexit.unregister(self._abandon)
        self._engine.close()
        yield from self.finished()

    def _abandon(self) -> None:
        for _ in self.abort():
            pass

    def _job(self, step: int, capture: StepCapture | None) -> Job:
        if not self._quota:
            return Job(self.watch, step)
        if capture is None:
            return self._failed(step, Problem.nothing_captured, "the step was not foreseen")
        try:
            if capture.error is not None:
                raise capture.error
            chunks, ready = _to_host(capture.sampler.chunks)
        except FeatureError as error:
            return self._failed(step, Problem[error.reason], str(error))
        except Exception as error:  # out of pinned memory, a device in error
            return self._failed(step, Problem.copy_failed, f"copying rows failed with {error!r}")
        return Job(self.watch, step, chunks, capture.sampler.index(), ready, self._quota)

    def _failed(self, step: int, problem: Problem, message: str) -> Job:
        key = self.watch.log_key
        self._engine.notices.warn(f"{key}: {problem.name}", f"{key} at step {step}: {message}")
        return Job(self.watch, step, problem=problem)


def _to_host(chunks: list[Tensor]) -> tuple[list[Tensor], Callable[[], None] | None]:
    """Start copying to the host; the second value waits until the copies are complete."""
    if not chunks or chunks[0].device.type == "cpu":
        return chunks, None
    if chunks[0].device.type != "cuda":
        return [chunk.cpu() for chunk in chunks], None
    host = [torch.empty(c.shape, dtype=c.dtype, device="cpu", pin_memory=True) for c in chunks]
    for target, chunk in zip(host, chunks, strict=True):
        target.copy_(chunk, non_blocking=True)
    done = torch.cuda.Event(blocking=True)  # or the monitor thread would spin while it waits
    done.record(torch.cuda.current_stream(chunks[0].device))
    return host, done.synchronize
