"""The page: everything in one file, without scripts and without anything from elsewhere."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from gramscope.diagnosis.numbers import NUMBERS, format_number
from gramscope.report.chart import Chart, charted, common_scale, draw_chart
from gramscope.report.files import plain
from gramscope.report.grid import Grid
from gramscope.report.heatmap import legend_uri
from gramscope.report.summary import MetricSummary, bad_ends
from gramscope.report.sweep import Sweep
from gramscope.sweep.overrides import short_value

__all__ = ["render_page"]


class Column:
    """A metric's part of the table."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.heads = ["final", *bad_ends(metric)]
        self.why = NUMBERS[metric].why if metric in NUMBERS else ""

    def texts(self, summary: MetricSummary | None) -> list[tuple[str, str]]:
        """Values as text, each with the step it is from where that is not said elsewhere."""
        if summary is None:
            return [("—", "")] * len(self.heads)
        constant = summary.smallest[1] == summary.largest[1]
        points = [getattr(summary, head) for head in self.heads]
        return [
            (
                format_number(self.metric, point[1]) if point else "—",
                "" if point is None or head == "final" or constant else f"step {point[0]}",
            )
            for head, point in zip(self.heads, points, strict=True)
        ]


def render_page(sweep: Sweep, grid: Grid) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("gramscope.report"),
        autoescape=True,  # names and values come from other people's configs
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["rounded"] = short_value
    columns = [Column(metric) for metric in sweep.metrics]
    histories = [row.history for row in sweep.rows if row.history]
    scale = common_scale(histories)
    charts: list[Chart | None] = [
        draw_chart(row.history, scale) if row.history else None for row in sweep.rows
    ]
    cells = [[c.texts(row.summary.get(c.metric)) for c in columns] for row in sweep.rows]
    return environment.get_template("sweep.html").render(
        sweep=sweep,
        title=plain(sweep.directory),
        columns=columns,
        rows=list(zip(sweep.rows, cells, charts, grid.cells, strict=True)),
        width=len(sweep.swept) + sweep.shows_feature + sum(len(c.heads) for c in columns) + 3,
        grid=grid,
        scale=scale,
        charted=charted(),
        legend=legend_uri(),
    )
