"""From features of any shape to one row for each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gramscope.events import Reason
from gramscope.monitor.features import FeatureError

__all__ = ["Features", "as_features", "is_sequence_first", "plain"]


@dataclass(frozen=True)
class Features:
    """What a row of each sample can be had from, without having been touched yet."""

    source: Tensor
    """``[N, D]``, or ``[N, …]`` with more dimensions."""
    over: tuple[int, ...] = ()
    """The dimensions over which the mean makes ``[N, D]`` of it; of some rows it costs less."""

    def __len__(self) -> int:
        return len(self.source)

    @property
    def dim(self) -> int:
        """The rows' D."""
        return next(n for i, n in enumerate(self.source.shape) if i and i not in self.over)

    def of(self, some: Tensor) -> Tensor:
        """``[k, D]`` of some of the source's rows, ``[k, …]``."""
        return some.mean(self.over) if self.over else some


def as_features(value: Any, key: str, pool: str | int = "cls") -> Features:
    """Read what was found under a key as features.

    Args:
        value: What was found: ``[N, D]``, or more dimensions, of which `pool` makes two;
            ``[N, C, 1, 1]`` is its rows whatever `pool` is.
        key: Named in errors.
        pool: As the setting: `cls` and an index for ``[N, T, D]``; `mean` over all that lies
            between N and D, `gap` over all behind C in ``[N, C, …]``; `flatten` takes all as D.

    Raises:
        FeatureError: If it is no floating-point tensor, or of a shape that `pool` does not fit.
    """
    if not isinstance(value, Tensor):
        raise FeatureError(
            Reason.not_a_tensor,
            f"feature_key={key!r} leads to a {type(value).__name__}; expected a tensor [N, D], or "
            "of more dimensions with `pool`",
        )
    if not value.is_floating_point() or value.ndim < 2:
        raise _shape(value, key, "expected floating-point features [N, D], or more by `pool`")
    source = plain(value, key)
    if source.ndim == 2:
        return Features(source)
    if pool == "flatten" or (source.ndim > 3 and source.shape[2:].numel() == 1):
        return Features(source.flatten(1))
    if pool == "mean":
        return Features(source, tuple(range(1, source.ndim - 1)))
    if pool == "gap":
        return Features(source, tuple(range(2, source.ndim)))
    if source.ndim > 3:
        raise _shape(
            value,
            key,
            f"pool={pool!r} is for [N, T, D]. Choose gap (mean over the positions of "
            "[N, C, …]), mean (over those of [N, …, D]) or flatten",
        )
    return Features(_token(source, key, 0 if pool == "cls" else int(pool)))


def is_sequence_first(value: Any, samples: int | None, *, declared: bool = False) -> bool:
    """Whether features are ``[T, N, D]``: their second dimension alone is that of the batch.

    Args:
        value: What was found under a key.
        samples: Of the batch; ``None``: not known.
        declared: Whether the module that returned it says ``batch_first=False``.
    """
    if not isinstance(value, Tensor) or value.ndim != 3:
        return False
    if not samples:
        return declared
    return value.shape[1] == samples and (declared or value.shape[0] % samples > 0)


def _token(source: Tensor, key: str, index: int) -> Tensor:
    tokens = source.shape[1]
    if not -tokens <= index < tokens:
        raise _shape(source, key, f"there are tokens 0 to {tokens - 1}, and pool={index} is none")
    return source[:, index]


def _shape(value: Tensor, key: str, why: str) -> FeatureError:
    found = f"a tensor of shape {list(value.shape)} and {value.dtype}"
    return FeatureError(Reason.bad_shape, f"feature_key={key!r} leads to {found}; {why}")


def plain(value: Tensor, key: str) -> Tensor:
    """A tensor that is nothing but one: this rank's rows of it where ranks hold parts.

    Operations on a subclass may do more than they say, on the monitor's thread too: those of a
    `DTensor` may talk to other ranks, over training's own process group.
    """
    if type(value) is Tensor:
        return value
    rows: Any = value.detach()
    if hasattr(rows, "placements"):
        if not all(p.is_replicate() or p.is_shard(0) for p in rows.placements):
            raise FeatureError(
                Reason.bad_shape,
                f"feature_key={key!r} leads to a DTensor with {rows.placements}, of which no rank "
                "has whole rows; expected Shard(0) or Replicate",
            )
        rows = rows.to_local()
        rows = rows.trigger_wait() if hasattr(rows, "trigger_wait") else rows
    plain: Tensor = rows.as_subclass(Tensor)
    return plain
