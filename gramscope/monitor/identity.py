"""Who the rows are: rank, index, view, sample, and the ids and labels that a batch gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gramscope.config.views import Views
from gramscope.events import Reason
from gramscope.monitor.features import FeatureError
from gramscope.monitor.rows import Selection

__all__ = ["Identity", "Known", "Marks", "identity_of", "known", "marks_of", "pick"]

TEXT_BYTES = 32
"""Of a mark that is text: what travels of it beside its hash."""

_FIXED_BYTES = 3 * 4 + 2 * 8


class Marks(NamedTuple):
    """One rank's ids, or labels."""

    number: Tensor
    """``[n]`` int64: the marks, or hashes of those that are text."""
    text: Tensor | None = None
    """``[n, 32]`` uint8: the beginning of those that are text, in UTF-8."""

    @property
    def kind(self) -> int:
        """As it travels; 0 is for none."""
        return 1 if self.text is None else 2


@dataclass
class Identity:
    """Of one rank's rows, on the host."""

    index: Tensor
    """``[n]`` int32, position in the rank's batch."""
    view: Tensor
    """``[n]`` int32, which view of its sample; -1: not known."""
    sample: Tensor
    """``[n]`` int32, position of the sample among the rank's."""
    sample_id: Marks | None = None
    label: Marks | None = None
    alike: int = 0
    """How many of a sample's views are of one crop type; 0: all."""

    @property
    def kinds(self) -> tuple[int, int]:
        """Of ids and labels, 0: none."""
        ids, labels = (0 if m is None else m.kind for m in (self.sample_id, self.label))
        return ids, labels

    def packed(self, texts: tuple[bool, bool]) -> Tensor:
        """``[n, bytes]`` uint8; room for text where any rank has some."""
        marks = (self.sample_id, self.label)
        numbers = [self.index.new_zeros(len(self.index)) if m is None else m.number for m in marks]
        parts = [
            torch.stack([self.index, self.view, self.sample], dim=1).view(torch.uint8),
            torch.stack([n.long() for n in numbers], dim=1).view(torch.uint8),
        ]
        for mark, there in zip(marks, texts, strict=True):
            if there:
                nothing = torch.zeros(len(self.index), TEXT_BYTES, dtype=torch.uint8)
                parts.append(nothing if mark is None or mark.text is None else mark.text)
        return torch.cat(parts, dim=1)

    @classmethod
    def unpacked(cls, packed: Tensor, kinds: Sequence[int], texts: tuple[bool, bool]) -> Identity:
        """What `packed` made, of a rank with these ``kinds``."""
        index, view, sample = _viewed(packed[:, :12], torch.int32).unbind(1)
        numbers = _viewed(packed[:, 12:_FIXED_BYTES], torch.int64).unbind(1)
        rest = packed[:, _FIXED_BYTES:].split(TEXT_BYTES, dim=1)
        marks: list[Marks | None] = []
        for place, (kind, number) in enumerate(zip(kinds, numbers, strict=True)):
            text = rest[sum(texts[:place])] if kind == 2 else None
            marks.append(Marks(number, text) if kind else None)
        sample_id, label = marks
        return cls(index, view, sample, sample_id, label)


def _viewed(packed: Tensor, dtype: torch.dtype) -> Tensor:
    """``[n, k]`` of bytes; copied, because another dtype cannot begin anywhere in memory."""
    return packed.flatten().clone().view(dtype).view(len(packed), -1)


def width(texts: tuple[bool, bool]) -> int:
    """Bytes that an `Identity` takes for each row."""
    return _FIXED_BYTES + TEXT_BYTES * sum(texts)


def identity_of(
    chosen: Selection, declared: Views | None, sample_id: Any = None, label: Any = None
) -> Identity:
    """Of the rows that are taken of one micro-batch.

    Args:
        chosen: Which they are.
        declared: Views of the features that `index` refers to.
        sample_id: What `pick` gave, on the host.
        label: What `pick` gave, on the host.
    """
    sample = (chosen.sample() + chosen.seen).int()
    by_view = sample.expand(chosen.views, -1)
    view = torch.arange(chosen.views, dtype=torch.int32)[:, None].expand_as(by_view)
    index = chosen.rows(declared).int() + chosen.rows_before
    return Identity(
        index,
        chosen.ordered(view) if chosen.views > 1 else torch.full_like(index, -1),
        chosen.ordered(by_view).contiguous(),
        _spread(sample_id, chosen),
        _spread(label, chosen),
    )


def pick(value: Any, name: str, chosen: Selection, declared: Views | None, rows: int) -> Any:
    """The marks of the rows that are taken, one for each row or each sample; copied.

    Args:
        value: Of a micro-batch: integers or texts, ``[rows]``, or ``[samples]`` where views are
            declared; a tensor, an array or a list.
        name: What it is, for messages.
        chosen: Which rows are taken.
        declared: Views of the features that the rows are of.
        rows: How many rows the features have.

    Raises:
        FeatureError: If it is anything else.
    """
    value = _column(value, name)
    if len(value) == rows:
        index = chosen.rows(declared, _device(value))
    elif len(value) == chosen.samples:
        index = chosen.sample(_device(value))
    else:
        per_sample = "" if declared is None else f", or {chosen.samples} of samples"
        raise FeatureError(
            Reason.bad_shape, f"{name} has {len(value)} entries for {rows} rows{per_sample}"
        )
    if isinstance(value, Tensor):
        return value.detach().index_select(0, index)
    return [value[i] for i in index.tolist()]


def marks_of(parts: list[Any], name: str) -> Marks:
    """One rank's marks, from what `pick` gave for each micro-batch.

    Raises:
        FeatureError: If they are neither all integers nor all texts.
    """
    values = [v for part in parts for v in (part.tolist() if isinstance(part, Tensor) else part)]
    if all(isinstance(v, (int, np.integer)) for v in values):
        return Marks(torch.tensor([int(v) for v in values], dtype=torch.int64))
    if not all(isinstance(v, (str, bytes)) for v in values):
        kinds = ", ".join(sorted({type(v).__name__ for v in values}))
        raise FeatureError(Reason.bad_shape, f"{name} holds {kinds}; expected integers, or texts")
    encoded = [v.encode() if isinstance(v, str) else v for v in values]
    hashes = [hashlib.blake2b(v, digest_size=8).digest() for v in encoded]
    text = b"".join(v[:TEXT_BYTES].ljust(TEXT_BYTES, b"\0") for v in encoded)
    return Marks(
        torch.from_numpy(np.frombuffer(b"".join(hashes), np.int64).copy()),
        torch.from_numpy(np.frombuffer(text, np.uint8).copy()).view(-1, TEXT_BYTES),
    )


def _spread(value: Any, chosen: Selection) -> Any:
    """A mark for each row, of what may be one for each sample."""
    if value is None or chosen.views == 1 or len(value) != chosen.last - chosen.first:
        return value
    if isinstance(value, Tensor):
        return chosen.ordered(value.expand(chosen.views, -1))
    places = chosen.ordered(torch.arange(len(value)).expand(chosen.views, -1))
    return [value[i] for i in places.tolist()]


def _column(value: Any, name: str) -> Any:
    """A tensor of integers, or a list."""
    if isinstance(value, np.ndarray):
        value = value.tolist() if value.dtype.kind in "USO" else torch.as_tensor(value)
    if isinstance(value, Tensor):
        value = value.flatten() if value.ndim == 2 and value.shape[1] == 1 else value
        if value.ndim == 1 and not value.is_floating_point() and not value.is_complex():
            return value
        what = f"a tensor of shape {list(value.shape)} and {value.dtype}"
    elif isinstance(value, (list, tuple)):
        return value
    else:
        what = f"a {type(value).__name__}"
    raise FeatureError(
        Reason.bad_shape, f"{name} is {what}; expected one integer or text for each row"
    )


def _device(value: Any) -> torch.device | str:
    return value.device if isinstance(value, Tensor) else "cpu"


@dataclass
class Known:
    """Of the rows of all ranks, as rank 0 sees them; ``None``: not known."""

    rank: Tensor
    """``[N]`` int32."""
    index: Tensor
    """``[N]`` int32, position in that rank's batch."""
    sample: Tensor | None
    """``[N]`` int64, from 0: rows with the same number are of one sample."""
    view: Tensor | None
    """``[N]`` int64; -1: of this row not known."""
    sample_id: npt.NDArray[Any] | None
    """``[N]`` int64 or text."""
    label: npt.NDArray[Any] | None
    """``[N]`` int64 or text."""
    alike: int | None = None
    """How many of a sample's views are of one crop type; ``None``: all."""

    def of(self, rows: Tensor) -> Known:
        """Of some of the rows, ``[N]`` bool."""
        some = rows.numpy()
        return Known(
            self.rank[rows],
            self.index[rows],
            None if self.sample is None else self.sample[rows],
            None if self.view is None else self.view[rows],
            None if self.sample_id is None else self.sample_id[some],
            None if self.label is None else self.label[some],
        )

    @property
    def seen(self) -> Tensor | None:
        """``[N]`` int64: the views, with a row of which nothing is known as its sample's only."""
        return None if self.view is None else self.view.clamp(min=0)

    @property
    def classes(self) -> Tensor | None:
        """``[N]`` int64: the labels as numbers."""
        if self.label is None:
            return None
        return torch.from_numpy(np.unique(self.label, return_inverse=True)[1].reshape(-1)).long()


def known(ranks: dict[int, Identity]) -> tuple[Known, list[str]]:
    """Bring the identities of all ranks together.

    Returns:
        What is known of all rows, and what was left out because only some ranks have it.
    """
    of = list(ranks.values())
    rank = torch.cat([torch.full_like(i.index, r) for r, i in ranks.items()])
    remarks: list[str] = []
    ids = _together({r: i.sample_id for r, i in ranks.items()}, "sample ids", remarks)
    labels = _together({r: i.label for r, i in ranks.items()}, "labels", remarks)
    view = torch.cat([i.view for i in of]).long()
    place = rank.long() << 32 | torch.cat([i.sample for i in of]).long()
    sample = place.unique(return_inverse=True)[1] if (view >= 0).any() else None
    if ids is not None and sample is not None and _differ(ids.number, sample):
        remarks.append("sample ids left out: they differ between views of one sample")
        ids = None
    if ids is not None:
        view = view if sample is not None else _occurrence(rank, ids.number)
        sample = ids.number.unique(return_inverse=True)[1]
    everything = Known(
        rank,
        torch.cat([i.index for i in of]),
        sample,
        view if (view >= 0).any() else None,
        _array(ids),
        _array(labels),
        min((i.alike for i in of if i.alike), default=None),
    )
    return everything, remarks


def _together(ranks: dict[int, Marks | None], what: str, remarks: list[str]) -> Marks | None:
    there = {r: m for r, m in ranks.items() if m is not None}
    if not there:
        return None
    if len(there) < len(ranks) or len({m.kind for m in there.values()}) > 1:
        with_them = ", ".join(map(str, there))
        remarks.append(f"{what} left out: alike on ranks {with_them} of {len(ranks)} only")
        return None
    texts = [m.text for m in there.values()]
    text = None if texts[0] is None else torch.cat([t for t in texts if t is not None])
    return Marks(torch.cat([m.number for m in there.values()]), text)


def _differ(number: Tensor, sample: Tensor) -> bool:
    """Whether rows of one sample have different ids."""
    return len(torch.stack([number, sample]).unique(dim=1)[0]) > len(sample.unique())


def _array(marks: Marks | None) -> npt.NDArray[Any] | None:
    if marks is None or marks.text is None:
        return None if marks is None else marks.number.numpy()
    rows = marks.text.contiguous().numpy()
    return np.array([row.tobytes().rstrip(b"\0").decode(errors="replace") for row in rows])


def _occurrence(rank: Tensor, sample: Tensor) -> Tensor:
    """``[N]`` int64: the how many-th row of its sample on its rank each is, as its view.

    -1 for all where most samples are there once: then the others are a sampler's, and no views.
    """
    view = torch.zeros_like(sample)
    met: dict[tuple[int, int], int] = {}
    for row, key in enumerate(zip(rank.tolist(), sample.tolist(), strict=True)):
        view[row] = met.get(key, 0)
        met[key] = met.get(key, 0) + 1
    counts = torch.tensor([*met.values()])
    usual = int(counts.mode().values)
    return view.clamp(max=usual - 1) if usual > 1 else torch.full_like(view, -1)
