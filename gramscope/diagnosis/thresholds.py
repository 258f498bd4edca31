"""The one table of thresholds: value, unit, range and reason of each."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

__all__ = ["THRESHOLDS", "Threshold", "thresholds"]


@dataclass(frozen=True)
class Threshold:
    """A value that numbers are compared with."""

    name: str
    default: float
    low: float
    high: float
    unit: str
    why: str
    """What it decides, and why there."""


# fmt: off
_ROWS = (
    Threshold("confirm_events", 2, 1, 1000, "events",
              "How many events in a row a rule has to hold for a state to begin: one odd batch is "
              "no state."),
    Threshold("clear_events", 3, 1, 1000, "events",
              "How many events in a row it has to fail for the state to end."),
    Threshold("ease", 1.25, 1, 10, "factor",
              "By how much a number has to be better than what began a state for it to fail."),
    Threshold("settle_events", 8, 1, 100000, "events",
              "Before so many events nobody is told that something has not happened yet: that "
              "views do not agree, or that assignments stay uniform."),
    Threshold("spread_kept", 0.25, 0, 1, "share of the highest spread of the run",
              "Below it samples become one point. Relative, because a transformer starts at a "
              "spread of 0.02 and is well; healthy heads fell to 0.24 for a moment."),
    Threshold("backbone_spread_kept", 0.1, 0, 1, "share of the highest spread of the run",
              "The same for a backbone, whose mean no loss holds: healthy ones fell to 0.17."),
    Threshold("rank_kept", 0.11, 0, 1, "share of the first effective rank",
              "Below it features have lost their directions. Healthy heads fell to 0.14, most to "
              "0.4."),
    Threshold("backbone_rank_kept", 0.3, 0, 1, "share of the first effective rank",
              "The same for a backbone, which has no reason to be narrow: healthy ones kept 0.36 "
              "and more."),
    Threshold("line_rank", 1.15, 1, 10, "directions (participation ratio)",
              "Below it features lie on a line. Healthy heads were as narrow as 1.2, so it takes "
              "a lost rank as well."),
    Threshold("line_rank_kept", 0.25, 0, 1, "share of the first effective rank",
              "What counts as a lost rank for features on a line."),
    Threshold("abrupt_steps", 20, 0, inf, "optimizer steps",
              "Within so many steps of the first event no healthy run loses its directions."),
    Threshold("abrupt_rank_kept", 0.35, 0, 1, "share of the first effective rank",
              "What counts as lost so soon; healthy runs kept 0.5 and more."),
    Threshold("duplicates", 0.25, 0, 1, "share of rows",
              "Above it, from the first event on, many rows are another sample's: that is in the "
              "data."),
    Threshold("clusters", 0.9, 0, 1, "share of rows",
              "Above it, where it was below `duplicates` at first, the model has thrown samples "
              "together."),
    Threshold("telling_spread", 0.3, 0, 1, "spread",
              "Only where features spread so much does a cosine of 0.999 say that two samples are "
              "the same; of narrow ones, as random weights may have them, most rows are so near "
              "to another."),
    Threshold("identical_views", 0.99, 0, 1, "share of variance (view_correlation)",
              "Above it views are the same. Under weak augmentation a healthy run came to 0.95."),
    Threshold("agreement_gained", 0.07, 0, 1, "share of variance (view_correlation)",
              "By so much views have to agree more than at the first event, or else as much as "
              "`agreement_had`."),
    Threshold("agreement_had", 0.3, 0, 1, "share of variance (view_correlation)",
              "From here on views have agreed, so that agreement can be lost."),
    Threshold("agreement_kept", 0.5, 0, 1, "share of the highest view_correlation of the run",
              "Below it agreement is lost."),
    Threshold("agreement_cka", 0.1, -1, 1, "CKA (view_cka)",
              "Only where it is below as well have views so little in common: above, shared_rank "
              "is resolved."),
    Threshold("moved", 0.2, 0, 1, "share of the first effective rank or spread",
              "By so much features have to differ from the first ones before they are judged by "
              "what views have in common: what does not train does not collapse."),
    Threshold("costly_rank_kept", 0.75, 0, 1, "share of the backbone's first effective rank",
              "Below it the backbone pays for what views do not come to have in common, and half "
              "of `settle_events` is enough."),
    Threshold("uniform_entropy", 0.995, 0, 1, "share of ln K (teacher_entropy_normalised)",
              "Above it, and where the student agrees, assignments say nothing. A healthy run "
              "came to 0.985."),
    Threshold("uniform_kl", 0.3, 0, inf, "nats (teacher_student_kl)",
              "Below it the student agrees."),
    Threshold("single_entropy", 0.4, 0, inf, "nats (assignment_entropy)",
              "Below it less than one and a half prototypes are in use. Healthy runs had more than "
              "four at any time; one with a very cold teacher went down to 0.6 and came back."),
    Threshold("teacher_student", 0.35, -1, 1, "CKA (teacher_student_cka of the head)",
              "Below it, once they have had time, teacher and student have parted. Healthy runs "
              "are above 0.8."),
    Threshold("dense_kept", 0.85, 0, 1, "share of the run's highest dense_inter",
              "Below it clusters of patches have run together. Healthy runs kept 0.96, one whose "
              "patches were none the worse 0.9; where k-NN of patches fell it went to 0.73."),
    Threshold("class_kept", 0.75, 0, 1, "share of the class token's highest spread and rank",
              "Only where it has kept as much of both is it the patches alone that lose; what "
              "takes both has other names. Healthy runs kept 0.8 and more."),
)
# fmt: on

THRESHOLDS = {row.name: row for row in _ROWS}
"""By name."""


def thresholds(changed: Mapping[str, Any] | None = None) -> dict[str, float]:
    """All values by name, some of which are others than their defaults.

    Args:
        changed: Values by name.

    Raises:
        ValueError: If a name is unknown or a value out of range.
        TypeError: If a value is no number.
    """
    values = {name: row.default for name, row in THRESHOLDS.items()}
    for name, value in (changed or {}).items():
        row = THRESHOLDS[_known(name)]
        values[row.name] = _checked(row, value)
    return values


def _known(name: str) -> str:
    if name not in THRESHOLDS:
        close = ", ".join(difflib.get_close_matches(str(name), THRESHOLDS)) or "see the docs"
        raise ValueError(f"`thresholds` has no {name!r}: {close}")
    return name


def _checked(row: Threshold, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"`thresholds.{row.name}` must be a number, but is {value!r}")
    if not row.low <= value <= row.high:
        raise ValueError(
            f"`thresholds.{row.name}` must be from {row.low:g} to {row.high:g} {row.unit}, "
            f"but is {value!r}"
        )
    return float(value)
