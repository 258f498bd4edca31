"""Encodes fixed samples by a forward pass of their own, and leaves no trace of having done so."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import Tensor

from gramscope.callbacks.declared import Declared
from gramscope.callbacks.probing.batches import samples_of, with_tensors
from gramscope.callbacks.probing.readers import Reader
from gramscope.callbacks.probing.samples import SampleSet, sample_set, source_of
from gramscope.events import Reason
from gramscope.monitor import Monitor
from gramscope.monitor.capture import StepCapture
from gramscope.monitor.earlier import Earlier
from gramscope.monitor.features import FeatureError, lookup
from gramscope.monitor.isolation import aside, same_draws, undisturbed
from gramscope.monitor.modules import find_module, is_sharded

__all__ = ["Encoder"]

log = logging.getLogger(__name__)

_CHANGED = (
    "%s: the samples are others than before (%s, %d of them): what they were is forgotten, and "
    "drift starts anew."
)


class Encoder:
    """Makes the rows of an event of one rank's share of the samples.

    Args:
        trainer: Lightning's.
        pl_module: The LightningModule.
        config: The settings.
        monitor: Collects the rows.
        earlier: Told which samples they are.
        reader: Finds the rows in what the model returned.
    """

    def __init__(
        self,
        trainer: Any,
        pl_module: Any,
        config: Any,
        monitor: Monitor,
        earlier: Earlier,
        reader: Reader,
    ) -> None:
        self._trainer = trainer
        self._pl_module = pl_module
        self._config = config
        self._monitor = monitor
        self._earlier = earlier
        self._reader = reader
        self._declared = Declared(pl_module, config)
        self._samples: SampleSet | None = None
        self._error: FeatureError | None = None
        self._calls = 0

    @property
    def sharded(self) -> bool:
        """Whether ranks need one another for a pass, the first of which is training's own."""
        return is_sharded(self._pl_module)

    @property
    def has_met(self) -> bool:
        """Whether samples were read, or could not be."""
        return self._samples is not None or self._error is not None

    def meet(self, batch: Any) -> None:
        """Read the samples, which may be the first of training's own; never raises.

        Args:
            batch: Training's first; ``None``: there is none.
        """
        try:
            with aside():
                self._samples = self._read(batch)
        except Exception as error:
            self._error = _as_ours(error)
        try:
            self._calls = self._agreed_calls()
        except Exception as error:
            self._error = self._error or _as_ours(error)
        if self._samples is not None and self._monitor.is_root:
            self._tell(self._samples)

    def encode(self) -> StepCapture:
        """What this rank gives to an event; never raises."""
        bare = self._config.takes_bare_tensor
        capture = self._monitor.capture(bare_tensor=bare, whole=True)
        capture.idle = False
        if self._error is not None or self._samples is None:
            capture.fail(self._error or FeatureError(Reason.no_samples, "there was no batch yet"))
            return capture
        capture.idle = not self._samples.chunks
        capture.begin_micro_batch()
        seen = 0
        for call in range(self._calls):
            try:
                seen += self._take(capture, self._samples, call, seen)
            except Exception as error:  # the other passes are made: other ranks may need them
                capture.fail(error)
        self._finish(capture, seen)
        return capture

    def accompany(self) -> None:
        """Make the passes that other ranks' sharded weights need, though this one gives nothing."""
        if self.sharded:
            self.encode()

    def _take(self, capture: StepCapture, samples: SampleSet, call: int, seen: int) -> int:
        """Encode one chunk; how many samples it had."""
        if call >= len(samples.chunks):  # a pass that other ranks could not make without this one
            self._forward(samples.spare)
            return 0
        chunk = samples.chunks[call]
        output = self._forward(chunk)
        rows = self._reader.read(output, chunk, seen)
        if not call:
            capture.begin_micro_batch(self._reader.views, self._marks(samples.chunks))
        capture.keep(rows)
        return samples_of(chunk) or 0

    def _finish(self, capture: StepCapture, seen: int) -> None:
        capture.join()
        if not capture.idle:
            capture.end_micro_batch()
        if self._monitor.is_root and capture.error is None:
            self._reader.end(seen)
            capture.about = self._reader.about
            capture.remarks.update(dict.fromkeys(self._reader.remarks))

    def _marks(self, chunks: list[Any]) -> dict[str, Any]:
        """Ids and labels of all samples of this rank."""
        parts = [self._declared.marks(chunk) for chunk in chunks]
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}

    def _read(self, batch: Any) -> SampleSet:
        config = self._config
        source = source_of(config, self._trainer, batch)
        if source is None:
            raise FeatureError(Reason.no_samples, "there is no batch to take samples of")
        read = sample_set(source, config.max_samples, self._monitor.share, config.batch_size)
        if self._pl_module.device.type != "cuda":
            return read
        # So that no event waits for the device to be done with what training has asked of it.
        return read._replace(chunks=[with_tensors(c, Tensor.pin_memory) for c in read.chunks])

    def _agreed_calls(self) -> int:
        """Forward passes of an event: with a sharded model all ranks make as many."""
        mine = -1 if self._samples is None else len(self._samples.chunks)
        if not self.sharded:
            return mine
        told = torch.tensor(mine, device=self._pl_module.device)
        counts = self._trainer.strategy.all_gather(told)
        if int(counts.min()) < 0:
            raise FeatureError(Reason.no_samples, "a rank of a sharded model has no samples")
        return int(counts.max())

    def _tell(self, samples: SampleSet) -> None:
        title, found = self._monitor.title, (samples.origin, samples.total)
        if self._earlier.begin(samples.mark):
            log.warning(_CHANGED, title, *found)
        else:
            log.info("%s: watches %s, %d samples.", title, *found)

    def _forward(self, chunk: Any) -> Any:
        device = self._pl_module.device
        precision = self._trainer.precision_plugin
        batch = precision.convert_input(
            with_tensors(chunk, lambda t: t.to(device, non_blocking=True))
        )
        with undisturbed(self._pl_module), precision.forward_context():
            same_draws()  # what moves from event to event is the weights' doing
            return self._call(batch)

    def _call(self, batch: Any) -> Any:
        config = self._config
        if config.module is None and config.input_key is None:
            for owner in (self._pl_module, getattr(self._pl_module, "model", None)):
                if callable(declared := getattr(owner, "probe_features", None)):
                    return declared(batch)
        return find_module(self._pl_module, config.module)(self._inputs(batch))

    def _inputs(self, batch: Any) -> Any:
        key = self._config.input_key
        if key is None:
            return batch[0] if isinstance(batch, (list, tuple)) else batch
        try:
            return lookup(batch, key)
        except KeyError:
            raise FeatureError(
                Reason.missing_key, f"input_key={key!r} is not in the batch of samples"
            ) from None


def _joined(parts: list[Any]) -> Any:
    """One of the marks of all chunks, or why there is none."""
    for part in parts:
        if isinstance(part, FeatureError):
            return part
    try:
        if all(isinstance(part, Tensor) for part in parts):
            return torch.cat(parts)
        return [one for part in parts for one in part]
    except Exception as error:  # the rows can do without
        return FeatureError(Reason.bad_shape, f"ids or labels of samples: {error!r}")


def _as_ours(error: Exception) -> FeatureError:
    if isinstance(error, FeatureError):
        return error
    return FeatureError(Reason.no_samples, f"reading the samples failed with {error!r}")
