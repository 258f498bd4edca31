"""The page of a sweep, which needs no script."""

from __future__ import annotations

from collections.abc import Mapping

from gramscope.diagnosis import format_number, number_of
from gramscope.report.files import plain
from gramscope.report.heatmap import legend_uri
from gramscope.report.html import templates
from gramscope.report.summary import bad_ends
from gramscope.report.sweep.chart import Chart, charted, common_scale, draw_chart
from gramscope.report.sweep.grid import Grid
from gramscope.report.sweep.rows import Row, Sweep

__all__ = ["render_page"]


class Column:
    """A metric's part of the table."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.heads = {"final": "final", **bad_ends(metric)}
        self.number = number_of(metric)

    @property
    def says(self) -> str:
        """What the metric is, if that is known."""
        return f"{self.number.sentence} {self.number.why}" if self.number else ""

    def texts(self, row: Row) -> list[tuple[str, str]]:
        """Values as text, each with what is to be said below it: a ceiling, or the step."""
        summary = row.summary.get(self.metric)
        points = {head: getattr(summary, of, None) for head, of in self.heads.items()}
        return [
            (
                format_number(self.metric, point[1]) if point else "—",
                self._ceiling(row) if head == "final" else self._step(row, point),
            )
            for head, point in points.items()
        ]

    def _ceiling(self, row: Row) -> str:
        ceiling = self.number and self.number.ceiling
        if ceiling not in row.final:
            return ""
        return f"of {format_number(ceiling, row.final[ceiling])}"

    def _step(self, row: Row, point: tuple[int, float] | None) -> str:
        if point is None or row.summary[self.metric].constant is not None:
            return ""
        return f"step {point[0]}"


def render_page(sweep: Sweep, grid: Grid, pages: Mapping[str, str]) -> str:
    """The page as HTML.

    Args:
        sweep: What it is of.
        grid: Its pictures.
        pages: By name of a job, the address of the job's own page.
    """
    columns = [Column(metric) for metric in sweep.headlines]
    histories = [row.history for row in sweep.rows if row.history]
    scale = common_scale(histories)
    charts: list[Chart | None] = [
        draw_chart(row.history, scale) if row.history else None for row in sweep.rows
    ]
    cells = [[column.texts(row) for column in columns] for row in sweep.rows]
    return (
        templates()
        .get_template("sweep.html")
        .render(
            sweep=sweep,
            pages=pages,
            title=plain(sweep.directory),
            columns=columns,
            others=_others(sweep),
            rows=list(zip(sweep.rows, cells, charts, grid.cells, strict=True)),
            width=len(sweep.swept) + sweep.shows_feature + sum(len(c.heads) for c in columns) + 3,
            grid=grid,
            scale=scale,
            charted=charted(),
            legend=legend_uri(),
        )
    )


def _others(sweep: Sweep) -> list[tuple[Column, list[str]]]:
    """The metrics that the table has no room for, with the final value of each row."""
    shown = sweep.headlines
    columns = [Column(metric) for metric in sweep.metrics if metric not in shown]
    return [(column, [column.texts(row)[0][0] for row in sweep.rows]) for column in columns]
