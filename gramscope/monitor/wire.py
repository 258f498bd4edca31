"""What ranks tell each other of an event, as bytes: a status of fixed size, then padded rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from gramscope.events import Reason
from gramscope.monitor.identity import Identity, width

__all__ = [
    "Gathered",
    "OfRole",
    "Plan",
    "Rows",
    "Status",
    "computable",
    "lacking",
    "of_role",
    "pack",
    "plan_of",
    "travelling",
    "unpack",
]

_FLOATS = [
    getattr(torch, name)
    for name in (
        *("float32", "float64", "float16", "bfloat16"),
        *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"),
    )
    if hasattr(torch, name)
]
_COMMON = torch.float32
"""What rows are converted to where ranks have different dtypes, or one that is not in the list."""


@dataclass
class Rows:
    """One rank's rows of an event, on the host."""

    features: Sequence[Tensor | None]
    """By position of the role, ``[k, D]`` each; ``None``: this rank has none of it."""
    identity: Identity
    lacking: Sequence[Reason] = ()
    """By position of the role, why there are none."""
    odd: bool = False
    """Whether the rank has noted something wrong with what it gives."""

    @classmethod
    def of(cls, features: Tensor) -> Rows:
        """Those of one feature, ``[k, D]``, that are all of a batch and each a sample."""
        index = torch.arange(len(features), dtype=torch.int32, device="cpu")
        return cls([features], Identity(index, torch.full_like(index, -1), index))


@dataclass
class Gathered:
    """The rows of all ranks, as rank 0 sees them."""

    features: list[Tensor | None]
    """By position of the role, ``[N, D]`` float32, or float64 where the ranks' rows are, on the
    host, in rank order; ``None``: of this role there are none."""
    identities: dict[int, Identity]
    """By rank, of its rows."""
    reasons: dict[int, Reason]
    """The ranks without rows, and why."""
    lacking: dict[int, Reason] = field(default_factory=dict)
    """By position, why there are none of a role."""
    odd: list[int] = field(default_factory=list)
    """The other ranks that have noted something wrong."""


class OfRole(NamedTuple):
    """What a rank has of one feature."""

    dim: int = 0
    """0: none of it."""
    dtype: int = 0
    """Position in `_FLOATS`."""
    reason: int = 0
    """Why there is none."""


class Status(NamedTuple):
    """What each rank tells all others about its part of an event; 32 bytes, and 12 a feature."""

    sequence: int
    tag: int
    reason: int
    rows: int
    kinds: tuple[int, int]
    """Of ids and labels, see `Identity`."""
    odd: int
    alike: int
    """See `Identity`."""
    roles: tuple[OfRole, ...]

    def as_tensor(self) -> Tensor:
        """``[8 + 3 R]`` int32."""
        of_roles = (n for role in self.roles for n in role)
        flat = [*self[:4], *self.kinds, self.odd, self.alike, *of_roles]
        return torch.tensor(flat, dtype=torch.int32, device="cpu")

    @classmethod
    def of(cls, row: Tensor) -> Status:
        """What `as_tensor` made."""
        sequence, tag, reason, rows, ids, labels, odd, alike, *rest = row.tolist()
        roles = tuple(OfRole(*rest[i : i + 3]) for i in range(0, len(rest), 3))
        return cls(sequence, tag, reason, rows, (ids, labels), odd, alike, roles)

    @property
    def dims(self) -> tuple[int, ...]:
        """By role; 0: none of it."""
        return tuple(role.dim for role in self.roles)


class Plan(NamedTuple):
    """How the rows of one event travel, as all ranks derive it alike from the statuses."""

    giving: dict[int, Status]
    texts: tuple[bool, bool]
    """Whether any rank has ids, labels that are text."""
    roles: dict[int, tuple[int, torch.dtype]]
    """By position of those that travel, width and dtype."""

    @property
    def rows(self) -> int:
        """The most that any rank gives."""
        return max(status.rows for status in self.giving.values())

    @property
    def widths(self) -> list[int]:
        """Bytes of a row: of its identity, and of each feature."""
        features = [dim * dtype.itemsize for dim, dtype in self.roles.values()]
        return [width(self.texts), *features]


def plan_of(giving: dict[int, Status], reasons: dict[int, Reason]) -> Plan:
    """Whose rows travel: of the features that most ranks have; ``reasons`` gets the others."""
    usual = Counter(s.dims for s in giving.values()).most_common(1)[0][0]
    for rank, status in giving.items():
        if status.dims != usual:
            reasons[rank] = _why_unlike(status, usual)
    giving = {rank: s for rank, s in giving.items() if s.dims == usual}
    statuses = giving.values()
    texts = (any(s.kinds[0] == 2 for s in statuses), any(s.kinds[1] == 2 for s in statuses))
    of_roles = zip(*(s.roles for s in statuses), strict=True)
    roles = {i: (of[0].dim, _wire_dtype(of)) for i, of in enumerate(of_roles) if of[0].dim}
    return Plan(giving, texts, roles)


def _why_unlike(status: Status, usual: tuple[int, ...]) -> Reason:
    for role, dim in zip(status.roles, usual, strict=True):
        if dim and not role.dim and role.reason:
            return Reason(role.reason)
    return Reason.other_dimension


def of_role(features: Tensor | None, reason: Reason) -> OfRole:
    """What a rank says of one feature."""
    if features is None:
        return OfRole(reason=int(reason))
    return OfRole(features.shape[1], _FLOATS.index(features.dtype), int(reason))


def pack(own: Rows | None, plan: Plan) -> Tensor:
    """``[rows, bytes]`` uint8, because gloo does not know every dtype."""
    packed = torch.zeros(plan.rows, sum(plan.widths), dtype=torch.uint8, device="cpu")
    if own is not None:
        parts = [own.identity.packed(plan.texts)]
        for position, (_, dtype) in plan.roles.items():
            features = own.features[position]
            assert features is not None
            parts.append(features.to(dtype).contiguous().view(torch.uint8))
        torch.cat(parts, dim=1, out=packed[: len(parts[0])])
    return packed


def unpack(buffers: dict[int, Tensor], plan: Plan, reasons: dict[int, Reason]) -> Gathered:
    """What the root makes of the bytes that `pack` made."""
    ranks = {r: buffers[r][: s.rows].split(plan.widths, dim=1) for r, s in plan.giving.items()}
    identities = {
        rank: Identity.unpacked(parts[0], plan.giving[rank].kinds, plan.texts)
        for rank, parts in ranks.items()
    }
    for rank, identity in identities.items():
        identity.alike = plan.giving[rank].alike
    statuses = list(plan.giving.values())
    features: list[Tensor | None] = [None] * len(statuses[0].roles)
    for place, (position, (_, dtype)) in enumerate(plan.roles.items(), start=1):
        packed = torch.cat([parts[place] for parts in ranks.values()])
        features[position] = computable(packed.view(dtype))
    return Gathered(features, identities, reasons, lacking(statuses, features))


def lacking(statuses: list[Status], features: list[Tensor | None]) -> dict[int, Reason]:
    """Why there is nothing of a role: what the first rank says."""
    return {
        position: Reason(statuses[0].roles[position].reason) or Reason.missing_key
        for position, found in enumerate(features)
        if found is None
    }


def _wire_dtype(of: Iterable[OfRole]) -> torch.dtype:
    """The dtype in which rows travel: their own, if all ranks have the same."""
    kinds = {role.dtype for role in of}
    return _FLOATS[kinds.pop()] if len(kinds) == 1 else _COMMON


def travelling(features: Tensor | None) -> Tensor | None:
    """In a dtype that both ends know."""
    known = features is None or features.dtype in _FLOATS
    return features if known or features is None else features.to(_COMMON)


def computable(features: Tensor) -> Tensor:
    """In float32, or float64 if that is what they are."""
    return features if features.dtype == torch.float64 else features.float()
