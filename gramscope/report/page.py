"""The page: everything in one file, without scripts and without anything from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from gramscope.report.chart import Chart, common_scale, draw_chart
from gramscope.report.files import plain
from gramscope.report.grid import Grid
from gramscope.report.heatmap import legend_uri
from gramscope.report.summary import MetricSummary, extremes_of, format_value
from gramscope.report.sweep import Sweep
from gramscope.sweep.overrides import short_value

__all__ = ["render_page"]


@dataclass(frozen=True)
class Column:
    """A metric's part of the table."""

    metric: str
    heads: list[str]
    why: str


def render_page(sweep: Sweep, grid: Grid) -> str:
    """The page as HTML.

    Args:
        sweep: The sweep.
        grid: Its pictures, with a list of cells for each of the sweep's rows.
    """
    environment = Environment(
        loader=PackageLoader("gramscope.report"),
        autoescape=True,  # names and values come from other people's configs
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rounded"] = short_value
    columns = [_column(metric) for metric in sweep.metrics]
    histories = [row.history for row in sweep.rows if row.history]
    scale = common_scale(histories)
    charts: list[Chart | None] = [
        draw_chart(row.history, scale) if row.history else None for row in sweep.rows
    ]
    cells = [
        [_numbers(column, row.summary.get(column.metric)) for column in columns]
        for row in sweep.rows
    ]
    return environment.get_template("sweep.html").render(
        sweep=sweep,
        title=plain(sweep.directory),
        columns=columns,
        rows=list(zip(sweep.rows, cells, charts, grid.cells, strict=True)),
        width=len(sweep.swept) + sweep.shows_feature + sum(len(c.heads) for c in columns) + 3,
        grid=grid,
        scale=scale,
        legend=legend_uri(),
    )


def _column(metric: str) -> Column:
    ends = extremes_of(metric)
    heads = ["final", *["smallest"] * ends.smallest, *["largest"] * ends.largest]
    return Column(metric, heads, ends.why)


def _numbers(column: Column, summary: MetricSummary | None) -> list[tuple[str, str]]:
    """Values as text, each with the step it is from where that is not said elsewhere."""
    if summary is None:
        return [("—", "")] * len(column.heads)
    points = {"final": summary.final, "smallest": summary.smallest, "largest": summary.largest}
    constant = summary.smallest[1] == summary.largest[1]
    return [
        (
            format_value(column.metric, point[1]) if point else "—",
            "" if point is None or head == "final" or constant else f"step {point[0]}",
        )
        for head in column.heads
        for point in [points[head]]
    ]
