"""What the gram matrices of fixed rows were at earlier events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from gramscope.picture.strip import Strip

__all__ = ["Earlier"]


class Earlier:
    """Gram matrices to compare with, by what they are; of one monitor, on rank 0.

    Rows are told by their origin: as long as some are missing there is nothing to compare.
    """

    def __init__(self) -> None:
        self.mark = ""
        """Of the samples, see `SampleSet.mark`."""
        self.memory: dict[str, Any] = {}
        """What else is known of those events, as JSON has it."""
        self.strip = Strip()
        """Their pictures, as far as a film shows them."""
        self._rows: Tensor | None = None
        self._grams: dict[str, Tensor] = {}

    def begin(self, mark: str) -> bool:
        """Take up samples; whether they are others than before, of which nothing is kept."""
        changed = bool(self.mark) and mark != self.mark
        if changed:
            self.forget()
        self.mark = mark
        return changed

    def forget(self) -> None:
        """Keep nothing of all that was."""
        self.mark, self.memory, self._rows, self._grams = "", {}, None, {}
        self.strip.clear()

    def of(self, rows: Tensor, shape: torch.Size) -> Mapping[str, Tensor]:
        """The matrices of the same rows; nothing: there are none.

        Args:
            rows: ``[N]`` int64, where they come from.
            shape: Of the matrices.
        """
        same = self._rows is None or torch.equal(rows, self._rows)
        return {k: g.float() for k, g in self._grams.items() if same and g.shape == shape}

    def keep(self, rows: Tensor, **grams: Tensor) -> None:
        """Keep matrices for later events, unless they are of fewer rows than there have been.

        Of more rows than there have been they take the place of all others.
        """
        kept = next(iter(self._grams.values()), None)
        fit = kept is None or all(gram.shape == kept.shape for gram in grams.values())
        if not fit or not (self._rows is None or torch.equal(rows, self._rows)):
            known = (
                len(self._rows) if self._rows is not None else len(kept) if kept is not None else 0
            )
            if len(rows) <= known:
                return
            self._grams = {}
        self._rows = rows
        # Another dict: training's thread may be copying this one for a checkpoint.
        self._grams = {**self._grams, **grams}

    def drop(self, names: Iterable[str]) -> None:
        """Keep some no longer."""
        gone = {*names}
        self._grams = {name: gram for name, gram in self._grams.items() if name not in gone}

    @property
    def is_empty(self) -> bool:
        """Whether there has been no event yet."""
        return not self._grams

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"mark": self.mark, "memory": self.memory, "grams": dict(self._grams)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; the same samples may come from other ranks now."""
        self.mark, self.memory = state["mark"], dict(state["memory"])
        self._rows, self._grams = None, dict(state["grams"])
