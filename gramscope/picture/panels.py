"""What stands beside the heatmaps: how similar pairs of rows are, and singular values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gramscope.events.matrix import Matrix, OfRole
from gramscope.picture.look import Panel

__all__ = ["Histogram", "SpectrumPanel", "panel"]

Array = npt.NDArray[np.float64]
Span = tuple[float, float]

_FEWEST_BINS, _BINS = 10, 80
_DECADES = 1e-5  # singular values below so much of the first are rounding, and left out
_LINE = 11.5  # points
_TOO_FEW = "two rows are needed"
_VIEWS = "tab:orange"
_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


class Histogram:
    """Similarities of different rows as densities: views of one sample and other pairs apart.

    Args:
        axes: Empty ones.
        roles: Names of what is shown, as they are to be read.
        is_fixed: Whether the span never changes from −1…1.
    """

    def __init__(self, axes: Axes, roles: Sequence[str], is_fixed: bool) -> None:
        self._axes, self._is_fixed = axes, is_fixed
        axes.set_xlim(-1.0, 1.0)
        _prepare(axes, "similarity of pairs of rows", "cosine similarity", "density")
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        self._roles = roles if len(roles) > 1 else ()
        colours = _colours(roles)
        alone = not self._roles
        self._others = [_Density(axes, colour, filled=alone) for colour in colours]
        of_views = [_VIEWS] if alone else colours
        self._views = [_Density(axes, colour, ":", filled=alone) for colour in of_views]
        self._lines = _lines(axes, [colours[0], _VIEWS] if alone else [*colours, "0.3"], "left")

    @property
    def changing(self) -> list[Artist]:
        """What changes from picture to picture."""
        curves = [artist for x in (*self._others, *self._views) for artist in x.artists]
        x = [] if self._is_fixed else [self._axes.xaxis]
        return [*curves, *x, *_edges(self._axes), *self._lines]

    def update(self, matrix: Matrix, roles: Sequence[OfRole], span: Span) -> None:
        """Show other data, from the least to the largest similarity of a span."""
        pairs = [_pairs(of.gram, matrix) for of in roles]
        peaks = [_show(x, y, span) for x, (y, _) in zip(self._others, pairs, strict=True)]
        peaks += [_show(x, y, span) for x, (_, y) in zip(self._views, pairs, strict=True)]
        self._axes.set_xlim(span)
        self._axes.set_ylim(0.0, (max(peaks) or 1.0) / (1.0 - _headroom(self._axes, self._lines)))
        for line, text in zip(self._lines, self._words(pairs, matrix), strict=True):
            line.set_text(text)

    def _words(self, pairs: Sequence[tuple[Array, Array]], matrix: Matrix) -> list[str]:
        others = "different rows" if matrix.sample is None else "different samples"
        if not self._roles:
            ((x, y),) = pairs
            if not len(x) + len(y):
                return [_TOO_FEW, ""]
            return [_mean(f"{others}: mean", x), _mean("views of one sample: mean", y)]
        said = [
            f"{role}: {', '.join(filter(None, (_mean('mean', x), _mean('views', y))))}"
            for role, (x, y) in zip(self._roles, pairs, strict=True)
        ]
        views = ", dotted: views of one sample" if any(len(y) for _, y in pairs) else ""
        return [*said, f"solid: {others}{views}"]


class SpectrumPanel:
    """Singular values by their number, and how many directions they amount to.

    Args:
        axes: Empty ones.
        roles: Names of what is shown, as they are to be read.
    """

    def __init__(self, axes: Axes, roles: Sequence[str]) -> None:
        self._axes = axes
        title = "singular values of the centred features"
        _prepare(axes, title, "number of the singular value", "singular value")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 2, 5, 10]))
        self._leads = [f"{role}: " if len(roles) > 1 else "" for role in roles]
        colours = _colours(roles)
        self._curves = [axes.plot([], color=c, lw=1.2, marker=".", ms=3)[0] for c in colours]
        self._ranks = [axes.plot([], color=c, lw=0.8, ls="--")[0] for c in colours]
        self._lines = _lines(axes, colours, "right")

    @property
    def changing(self) -> list[Artist]:
        """What changes from picture to picture."""
        return [*self._curves, *self._ranks, self._axes.xaxis, *_edges(self._axes), *self._lines]

    def update(self, matrix: Matrix, roles: Sequence[OfRole], span: Span) -> None:
        """Show other data; the span of similarities is of no concern."""
        del span
        values = [_values(of.spectrum, len(matrix.gram)) for of in roles]
        for curve, mark, line, lead, s in zip(
            self._curves, self._ranks, self._lines, self._leads, values, strict=True
        ):
            shown = s > _DECADES * s.max(initial=0.0)
            rank = effective_rank(s)
            numbers = np.flatnonzero(shown) + 1.0
            curve.set_data(numbers, s[shown])
            height = np.interp(rank, numbers, s[shown]) if rank else 0.0
            mark.set_data([rank, rank], [np.finfo(float).tiny, height])
            mark.set_visible(rank > 0)
            what = f"effective rank {rank:.1f} of {len(s)}" if len(s) else _TOO_FEW
            line.set_text(lead + what)
        self._fit(values)

    def _fit(self, values: Sequence[Array]) -> None:
        self._axes.set_xlim(0.0, max(map(len, values)) + 1.0)
        heights = np.concatenate([curve.get_ydata() for curve in self._curves])
        low, high = (heights.min(), heights.max()) if len(heights) else (0.1, 1.0)
        decades, head = np.log10(high / low) + 0.1, _headroom(self._axes, self._lines)
        self._axes.set_ylim(low / 10**0.1, high * 10 ** (decades * head / (1.0 - head)))
        few = high / low > 50
        self._axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if few else (1.0, 2.0, 5.0)))


def panel(name: str, axes: Axes, roles: Sequence[str], is_fixed: bool) -> Histogram | SpectrumPanel:
    """One of the two, by a value of `Panel`; see there."""
    if Panel(name) is Panel.histogram:
        return Histogram(axes, roles, is_fixed)
    return SpectrumPanel(axes, roles)


def effective_rank(values: Array) -> float:
    """Exponential of the entropy of ``s / sum s``; 0 without variance.

    Roy & Vetterli, "The effective rank", EUSIPCO 2007, as `gramscope.metrics.effective_rank`, which
    would load torch into the process that draws.
    """
    total = values.sum()
    if not total > 0:
        return 0.0
    shares = values[values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


class _Density:
    """A histogram of area 1, with a line at the mean."""

    def __init__(self, axes: Axes, colour: str, style: str = "-", *, filled: bool) -> None:
        zeros, edges = np.zeros(_BINS), np.linspace(-1.0, 1.0, _BINS + 1)
        self._curve = axes.stairs(zeros, edges, color=colour, lw=1.2, ls="-" if filled else style)
        self._fill = axes.stairs(zeros, edges, fill=True, color=colour, alpha=0.3 * filled)
        (self._mean,) = axes.plot([], [], color=colour, lw=0.8, ls="--")
        self.artists: list[Artist] = [self._curve, self._fill, self._mean]

    def update(self, similar: Array, span: Span) -> float:
        """Show others, at least one, and return the highest density."""
        bins = int(
            np.clip(2 * len(similar) ** 0.5, _FEWEST_BINS, _BINS)
        )  # few pairs would be spikes
        counts, edges = np.histogram(similar.clip(*span), bins, span)
        density = counts / (len(similar) * np.diff(edges))
        for stairs in (self._curve, self._fill):
            stairs.set_data(density, edges)
        self._mean.set_data([similar.mean()] * 2, [0.0, density.max()])
        return float(density.max())


def _show(density: _Density, similar: Array, span: Span) -> float:
    for artist in density.artists:
        artist.set_visible(len(similar) > 0)
    return density.update(similar, span) if len(similar) else 0.0


def _pairs(gram: npt.NDArray[np.float32], matrix: Matrix) -> tuple[Array, Array]:
    """Similarities of rows of different samples, or of all where none are known; and of views."""
    above = np.triu_indices(len(gram), 1)
    similar = gram[above].astype(np.float64)
    if matrix.sample is None:
        return similar, similar[:0]
    same = matrix.sample[above[0]] == matrix.sample[above[1]]
    return similar[~same], similar[same]


def _mean(what: str, similar: Array) -> str:
    return f"{what} {similar.mean():.3f}" if len(similar) else ""


def _values(spectrum: npt.NDArray[np.float32] | None, n: int) -> Array:
    """Those that centred features of so many rows can have; none where one is not finite."""
    if spectrum is None or not np.isfinite(spectrum).all():
        return np.zeros(0)
    return spectrum[: n - 1].astype(np.float64)


def _prepare(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10, y=1.0)  # given, it is not looked for each time
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _edges(axes: Axes) -> list[Artist]:
    return [axes.yaxis, axes.spines["left"], axes.spines["bottom"]]


def _headroom(axes: Axes, lines: Sequence[Annotation]) -> float:
    """The share of the panel's height that lines of text take."""
    return (3.0 + _LINE * len(lines)) * axes.figure.dpi / 72 / axes.bbox.height


def _colours(roles: Sequence[str]) -> list[str]:
    return [_COLOURS[i % len(_COLOURS)] for i in range(len(roles))]


def _lines(axes: Axes, colours: Sequence[str], side: str) -> list[Annotation]:
    """Empty lines of text from the upper left or right corner, each in its curve's colour."""
    x, inwards = {"left": (0.0, 1), "right": (1.0, -1)}[side]
    return [
        axes.annotate(
            "",
            (x, 1.0),
            xytext=(6 * inwards, -3 - _LINE * i),
            xycoords="axes fraction",
            textcoords="offset points",
            color=colour,
            size=8,
            ha=side,
            va="top",
            parse_math=False,
        )
        for i, colour in enumerate(colours)
    ]
