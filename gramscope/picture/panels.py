"""What stands beside the heatmaps: how similar pairs of rows are, and singular values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from gramscope.events.matrix import Matrix, OfRole
from gramscope.picture.look import Panel

__all__ = ["draw_panel"]

Array = npt.NDArray[np.float64]

_BINS = 80
_DECADES = 1e-5  # singular values below so much of the first are rounding, and left out
_BLUE, _ORANGE = "tab:blue", "tab:orange"
_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


@dataclass(frozen=True)
class _Pairs:
    """Similarities of pairs of rows of one role."""

    views: Array | None
    """Of views of one sample; ``None`` where samples are not known, or have one row each."""
    others: Array
    """Of different samples, or of all rows where samples are not known."""


def draw_panel(
    axes: Axes,
    panel: str,
    matrix: Matrix,
    roles: Mapping[str, OfRole],
    span: tuple[float, float],
) -> None:
    """Draw one panel anew.

    Args:
        axes: Where; whatever was there goes.
        panel: A value of `Panel`.
        matrix: Whose rows are known.
        roles: What is to be shown, with one empty name where there is one only.
        span: Least and largest similarity of the histogram.
    """
    axes.clear()
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if Panel(panel) is Panel.histogram:
        _draw_histogram(axes, {role: _pairs(of.gram, matrix) for role, of in roles.items()}, span)
    else:
        _draw_spectrum(axes, {role: of.spectrum for role, of in roles.items()}, len(matrix.gram))


def _pairs(gram: npt.NDArray[np.float32], matrix: Matrix) -> _Pairs:
    above = np.triu_indices(len(gram), 1)
    similar = gram[above].astype(np.float64)
    if matrix.sample is None:
        return _Pairs(None, similar)
    same = matrix.sample[above[0]] == matrix.sample[above[1]]
    return _Pairs(similar[same] if same.any() else None, similar[~same])


def _draw_histogram(axes: Axes, pairs: Mapping[str, _Pairs], span: tuple[float, float]) -> None:
    axes.set_title("similarity of pairs of rows", fontsize=10)
    axes.set_xlabel("cosine similarity", fontsize=9)
    axes.set_ylabel("density", fontsize=9)
    axes.set_xlim(span)
    if len(pairs) == 1:
        (only,) = pairs.values()
        what = "different rows" if only.views is None else "different samples"
        entries = [_draw_density(axes, only.others, span, _BLUE, what, filled=True)]
        if only.views is not None:
            what = "views of one sample"
            entries.append(_draw_density(axes, only.views, span, _ORANGE, what, filled=True))
    else:
        entries = [
            _draw_of_role(axes, of, span, role, _COLOURS[i % len(_COLOURS)])
            for i, (role, of) in enumerate(pairs.items())
        ]
        if any(of.views is not None for of in pairs.values()):
            entries.append((Line2D([], [], color="0.3"), "different samples"))
            entries.append((Line2D([], [], color="0.3", linestyle=":"), "views of one sample"))
    _legend(axes, entries)


def _draw_of_role(
    axes: Axes, pairs: _Pairs, span: tuple[float, float], role: str, colour: str
) -> tuple[Artist, str]:
    handle, text = _draw_density(axes, pairs.others, span, colour, role)
    if pairs.views is not None:
        _draw_density(axes, pairs.views, span, colour, role, linestyle=":")
        text += f", views {_mean(pairs.views)}"
    return handle, text


def _draw_density(
    axes: Axes,
    similar: Array,
    span: tuple[float, float],
    colour: str,
    what: str,
    filled: bool = False,
    linestyle: str = "-",
) -> tuple[Artist, str]:
    """A density with its mean, and what stands in the legend."""
    counts, edges = np.histogram(similar.clip(*span), _BINS, span)
    density = counts / (max(len(similar), 1) * np.diff(edges))
    if filled:
        axes.stairs(density, edges, fill=True, color=colour, alpha=0.35)
    axes.stairs(density, edges, color=colour, linewidth=1.2, linestyle=linestyle)
    if len(similar):
        axes.axvline(similar.mean(), color=colour, linewidth=0.8, linestyle="--")
    return Line2D([], [], color=colour), f"{what}: mean {_mean(similar)}"


def _mean(similar: Array) -> str:
    return f"{similar.mean():.3f}" if len(similar) else "–"


def _draw_spectrum(
    axes: Axes, spectra: Mapping[str, npt.NDArray[np.float32] | None], n: int
) -> None:
    axes.set_title("singular values of the centred features", fontsize=10)
    axes.set_xlabel("number of the singular value", fontsize=9)
    axes.set_ylabel("singular value", fontsize=9)
    axes.set_yscale("log")
    entries = [
        _draw_values(axes, spectrum, n, role, _COLOURS[i % len(_COLOURS)])
        for i, (role, spectrum) in enumerate(spectra.items())
        if spectrum is not None
    ]
    _legend(axes, entries)


def _draw_values(
    axes: Axes, spectrum: npt.NDArray[np.float32], n: int, role: str, colour: str
) -> tuple[Artist, str]:
    ceiling = min(len(spectrum), n - 1)
    values = spectrum[:ceiling].astype(np.float64)
    rank = _effective_rank(values)
    numbers = np.arange(1, ceiling + 1)
    shown = values > _DECADES * values.max(initial=0.0)
    axes.plot(numbers[shown], values[shown], color=colour, linewidth=1.2, marker=".", markersize=3)
    if rank:
        axes.axvline(rank, color=colour, linewidth=0.8, linestyle="--")
    lead = f"{role}: " if role else ""
    return Line2D([], [], color=colour), f"{lead}effective rank {rank:.1f} of {ceiling}"


def _effective_rank(values: Array) -> float:
    """Exponential of the entropy of ``s / sum s`` (Roy & Vetterli, EUSIPCO 2007)."""
    total = values.sum()
    if not total > 0:
        return 0.0
    shares = values[values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _legend(axes: Axes, entries: Sequence[tuple[Artist, str]]) -> None:
    """Any text as it is, which matplotlib would take for mathematics or leave out."""
    legend = axes.legend([handle for handle, _ in entries], [" "] * len(entries), fontsize=8)
    for text, (_, wanted) in zip(legend.get_texts(), entries, strict=True):
        text.set(text=wanted, parse_math=False)
