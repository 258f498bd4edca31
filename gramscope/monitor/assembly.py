"""From what a rank has taken of a step's micro-batches to its rows of the event."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gramscope.events import Reason
from gramscope.monitor.due_step import DueStep
from gramscope.monitor.features import FeatureError
from gramscope.monitor.identity import Identity, Marks, identity_of, marks_of
from gramscope.monitor.wire import Rows

__all__ = ["assemble"]


def assemble(due: DueStep) -> Rows | None:
    """What a rank has taken of all micro-batches; ``None`` if there is none.

    Marks that cannot be used are left out, and remarked.
    """
    chunks = [c for c in due.chunks if any(map(len, c.features.values()))]
    if not chunks:
        return None
    features: list[Tensor | None] = []
    for role in due.channel.features:
        parts = [c.features[role] for c in chunks if role in c.features]
        whole = len(parts) == len(chunks)
        features.append((parts[0] if len(parts) == 1 else torch.cat(parts)) if whole else None)
    of = [identity_of(c.chosen, c.declared, c.sample_id, c.label) for c in chunks]
    identity = Identity(
        torch.cat([i.index for i in of]),
        torch.cat([i.view for i in of]),
        torch.cat([i.sample for i in of]),
        _marks(due, "sample_id", [i.sample_id for i in of]),
        _marks(due, "label", [i.label for i in of]),
        due.alike or 0,
    )
    lacking = [due.lacking.get(role, Reason.none) for role in due.channel.features]
    return Rows(features, identity, lacking, odd=bool(due.remarks))


def _marks(due: DueStep, name: str, parts: list[Any]) -> Marks | None:
    if any(part is None for part in parts):
        return None
    try:
        return marks_of(parts, name)
    except Exception as error:  # the rows can do without
        due.remarks.append(str(error) if isinstance(error, FeatureError) else f"{name}: {error!r}")
        return None
