"""What a step's outputs held, for the sentence that says what was looked for in vain."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gramscope.monitor.features import available_keys

__all__ = ["Sightings"]

_WITHOUT_KEY = (
    "one tensor {shape} without a key, which is watched under a feature_key of your own, for "
    "example feature_key='embedding'"
)


class Sightings:
    """Remembers what could have been features, over all outputs of a step."""

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}
        """Dotted paths of tensors that could be features."""
        self._without_key: list[int] = []
        self._others: dict[str, None] = {}

    def note(self, outputs: Any) -> None:
        """Remember one output."""
        if isinstance(outputs, Tensor) and outputs.ndim > 1:
            self._without_key = list(outputs.shape)
        keys = available_keys(outputs)
        self.keys.update(dict.fromkeys(keys))
        if not keys and outputs is not None:
            self._others[_kind(outputs)] = None

    @property
    def text(self) -> str:
        """What there was."""
        there = [*self.keys]
        if self._without_key:
            there.append(_WITHOUT_KEY.format(shape=self._without_key))
        if not there:
            there = ["no floating-point tensor [N, …] at all"]
            there += [f"but {', '.join(self._others)}"] if self._others else []
        return ", ".join(there)


def _kind(outputs: Any) -> str:
    shape = f" {list(outputs.shape)}" if isinstance(outputs, Tensor) else ""
    return f"a {type(outputs).__name__}{shape}"
