"""What a picture is to show, beside its data. Only the standard library is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["MOST_FRAMES", "ColorRange", "Course", "Look", "Order", "Panel"]

MOST_FRAMES = 8
"""Events beside each other in a film."""


class Order(str, Enum):
    """Order of the rows."""

    # As gathered: by rank, within a rank as in its batch.
    rank = "rank"
    # Leaves of an average-linkage clustering by cosine distance.
    cluster = "cluster"
    # By label, where rows have one.
    label = "label"


class ColorRange(str, Enum):
    """What the colours span."""

    # -1 to 1, so that pictures compare over steps and runs.
    fixed = "fixed"
    # The off-diagonal's own range.
    adaptive = "adaptive"


class Panel(str, Enum):
    """What stands beside the heatmap."""

    # Similarities of different rows: views of one sample, and different samples, apart.
    histogram = "histogram"
    # Singular values of the centred features, with their effective rank.
    spectrum = "spectrum"


@dataclass(frozen=True)
class Look:
    """Of one monitor's pictures; values of the enumerations above."""

    order: str = Order.rank.value
    color_range: str = ColorRange.fixed.value
    panels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Course:
    """A number of the events of a film."""

    name: str
    values: tuple[float, ...]
    """One for each frame, NaN where there is none."""
