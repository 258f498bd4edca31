"""The page, as a reader and a program see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps

from gramscope.diagnosis import NUMBERS, Number
from gramscope.report.heatmap import data_uri
from tests.gramscope.report.reading import Element, Page, pixels
from tests.gramscope.report.sweep_dir import JobDir, SweepDir

ShowPage = Callable[..., Page]

VIRIDIS = colormaps["viridis"](np.arange(256), bytes=True)[:, :3]
YELLOW, PURPLE = (253, 231, 36), (68, 1, 84)


def image(cell: Element) -> Element:
    (found,) = cell.all("img")
    return found


class TestPictures:
    """One row for each job and feature, one column for each step."""

    def test_each_cell_has_the_matrix_of_its_job_and_step(
        self, sweep: SweepDir, page: ShowPage
    ) -> None:
        sweep.job("lr=1").log(1, gram=1.0).log(2, gram=-1.0)
        sweep.job("lr=2").log(1, gram=-1.0).log(2, gram=1.0)

        colours = [[pixels(image(cell)) for cell in row] for row in page().cells]

        assert [[c.shape for c in row] for row in colours] == [[(4, 4, 3)] * 2] * 2
        expected = [[YELLOW, PURPLE], [PURPLE, YELLOW]]
        assert all((colours[i][j] == expected[i][j]).all() for i in (0, 1) for j in (0, 1))

    def test_features_of_one_job_have_a_row_each(self, sweep: SweepDir, page: ShowPage) -> None:
        job = sweep.job().log(1, gram=1.0, feature_key="a", log_key="gram_matrix/a")
        job.log(1, gram=-1.0, feature_key="b", log_key="gram_matrix/b")

        ((first,), (second,)) = page().cells

        assert (pixels(image(first)) == YELLOW).all()
        assert (pixels(image(second)) == PURPLE).all()

    def test_entries_have_the_colours_of_matplotlib(self, sweep: SweepDir, page: ShowPage) -> None:
        gram = np.linspace(-1, 1, 16 * 16).reshape(16, 16)
        sweep.job().log(1, gram=gram, ranks=[0] * 16)

        ((cell,),) = page().cells

        expected = colormaps["viridis"]((gram + 1) / 2, bytes=True)[..., :3]
        # A colour at the border between two classes may fall to either.
        assert np.abs(pixels(image(cell)).astype(int) - expected.astype(int)).max() <= 4

    def test_a_large_matrix_is_averaged(self) -> None:
        halves = np.where(np.arange(1000)[:, None] < 500, 1.0, np.full((1000, 1000), -1.0))
        checks = np.indices((1024, 1024)).sum(axis=0) % 2 * 2.0 - 1

        half, middle = (
            pixels(Element("img", {"src": data_uri(gram.astype(np.float32))}))
            for gram in (halves, checks)
        )

        assert half.shape == (500, 500, 3)
        assert (half[:250] == YELLOW).all()
        assert (half[-250:] == PURPLE).all()
        assert middle.shape == (512, 512, 3)
        assert (middle == VIRIDIS[128]).all()

    @pytest.mark.parametrize("n", [128, 700, 2048])
    def test_an_odd_row_of_a_large_matrix_is_seen(self, n: int) -> None:
        gram = np.random.default_rng(0).uniform(-0.3, 0.3, (n, n)).astype(np.float32)
        untouched = pixels(Element("img", {"src": data_uri(gram)})).astype(int)
        for odd in (0, n // 2, n - 1):
            marked = gram.copy()
            marked[odd] = marked[:, odd] = -0.9

            shown = pixels(Element("img", {"src": data_uri(marked)})).astype(int)

            changed = np.abs(shown - untouched).sum(axis=-1)
            at = odd * len(shown) // n
            assert (changed[at] > 20).mean() > 0.9
            assert (np.delete(np.delete(changed, at, 0), at, 1) == 0).all()

    def test_rows_that_a_browser_would_leave_out_are_smoothed(
        self, sweep: SweepDir, page: ShowPage
    ) -> None:
        sweep.job().log(1, gram=np.eye(113), ranks=[0] * 113).log(
            2, gram=np.eye(112), ranks=[0] * 112
        )

        ((large, small),) = page().cells

        assert image(large).attributes["class"] == "many"
        assert "class" not in image(small).attributes

    def test_ranks_are_separated_by_lines(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job().log(1, ranks=(0, 0, 0, 1))

        ((cell,),) = page().cells

        (svg,) = cell.all("svg")
        assert svg.attributes["viewbox"] == "0 0 4 4"
        light, dark = svg.all("path")
        assert light.attributes["d"] == dark.attributes["d"] == "M3 0V4M0 3H4"
        assert dark.attributes["class"] == "dashes"
        assert "world size 2" in image(cell).attributes["alt"]

    @pytest.mark.parametrize(
        ("ranks", "rows", "marks", "said"),
        [(40, 1, 39, "rank"), (2, 200, 1, "rank"), (300, 1, 100, "3 ranks")],
    )
    def test_where_lines_would_hide_the_matrix_marks_stand_at_its_edges(
        self, sweep: SweepDir, page: ShowPage, ranks: int, rows: int, marks: int, said: str
    ) -> None:
        n = ranks * rows
        sweep.job().log(1, gram=np.eye(n), ranks=np.repeat(np.arange(ranks), rows).tolist())

        ((cell,),) = page().cells

        (path,) = cell.all("path", "marks")
        assert path.attributes["d"].startswith(f"M{rows} 0v-{n / 32:g}M0 {rows}h-{n / 32:g}")
        assert path.attributes["d"].count("M") == 2 * marks
        assert image(cell).attributes["alt"].endswith(f", a mark at the edges for each {said}")
        assert len(cell.all("path")) == 1

    def test_the_text_says_what_is_seen(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job().log(100, metrics={"offdiag_mean": 0.25, "offdiag_std": 0.5})

        ((cell,),) = page().cells

        expected = (
            "Gram matrix of teacher_cls_token, job 0, step 100, N = 4, world size 2, "
            "offdiag_mean 0.250, offdiag_std 0.500"
        )
        assert image(cell).attributes["alt"] == expected
        assert cell.all("div", "picture")[0].attributes["title"] == expected
        assert cell.text == "step 100 mean 0.250"

    def test_what_an_event_lacks_is_said(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job().log(1, remark="missing_key (rank 3)")

        assert page().cells[0][0].text.endswith("missing_key (rank 3)")

    def test_one_legend_for_all(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job().log(1, 2, 3)

        (legend,) = page().root.all("figure", "legend")

        scale = pixels(legend.all("img")[0])
        assert scale.shape == (1, 256, 3)
        assert (scale[0] == VIRIDIS).all()
        assert "cosine similarity" in legend.text
        assert [span.text for span in legend.all("span")] == ["−1", "−0.5", "0", "0.5", "1"]


class TestMissing:
    """A cell without a picture says why."""

    @pytest.fixture
    def job(self, sweep: SweepDir) -> JobDir:
        for lr in (1, 2):
            sweep.job(f"lr={lr}").log(100, 200, 300)
        return sweep.job("lr=3")

    def last_row(self, page: Page) -> list[str]:
        return [cell.text for cell in page.cells[-1]]

    @pytest.mark.parametrize(
        ("logged", "skipped", "expected"),
        [
            ((100, 300), (200,), {1: "skipped: backlog; and more"}),
            ((), (100, 200, 300), dict.fromkeys(range(3), "skipped: backlog; and more")),
            ((100,), (), dict.fromkeys((1, 2), "run ended at step 100")),
            ((150, 300, 450), (), {0: "not due", 1: "not due", 2: "step 300 mean 0.100"}),
            ((200, 300), (), {0: "begins at step 200"}),
            ((100, 300, 400), (), {1: "no event"}),
        ],
        ids=["skipped", "all skipped", "ended", "not due", "begun later", "no line"],
    )
    def test_why(
        self,
        job: JobDir,
        page: ShowPage,
        logged: tuple[int, ...],
        skipped: tuple[int, ...],
        expected: dict[int, str],
    ) -> None:
        job.log(*logged).skip(*skipped, reason="backlog; and more")

        shown = self.last_row(page())

        assert {column: shown[column] for column in expected} == expected

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"PK\x03\x04 not an archive", "unreadable picture data"),
            (b"", "unreadable picture data"),
            (None, "picture data not found"),
            ({"gram": np.ones((2, 3))}, "unreadable picture data"),
            ({"gram": np.ones((0, 0))}, "unreadable picture data"),
            ({"gram": np.array([["a"]])}, "unreadable picture data"),
            ({"gram": np.array([[None]], dtype=object)}, "unreadable picture data"),
            ({"other": np.ones((2, 2))}, "unreadable picture data"),
            ({"gram": np.full((2, 2), np.nan)}, "picture data with NaN or Inf"),
        ],
        ids=["damaged", "empty", "missing", "oblong", "nothing", "text", "objects", "other", "nan"],
    )
    def test_no_matrix(
        self, job: JobDir, page: ShowPage, content: bytes | dict[str, Any] | None, why: str
    ) -> None:
        file = job.log(100, 200, 300).npz(200)
        file.unlink()
        if isinstance(content, dict):
            np.savez(file, **content)
        elif content is not None:
            file.write_bytes(content)

        shown = page()

        assert self.last_row(shown)[1] == why
        assert shown.table("numbers").all("tr", "remarks")[0].text == f"step 200: {why}"
        assert pixels(image(shown.cells[-1][2])).shape == (4, 4, 3)

    def test_ranks_that_do_not_fit_draw_no_lines(self, sweep: SweepDir, page: ShowPage) -> None:
        np.savez(sweep.job().log(100).npz(100), gram=np.ones((3, 3)), rank=np.arange(7))

        ((cell,),) = page().cells

        assert pixels(image(cell)).shape == (3, 3, 3)
        assert cell.all("svg") == []


class TestNumbers:
    """The table holds what tells most, and below it is everything else, known or not."""

    def test_headlines_have_their_columns(self, sweep: SweepDir, page: ShowPage) -> None:
        job = sweep.job()
        job.log(1, metrics={"offdiag_std": 0.5, "rankme": 30.25, "offdiag_mean": 0.9})
        job.log(2, metrics={"offdiag_std": 0.1, "rankme": 20.5, "offdiag_mean": 0.2})

        shown = page()
        table, others = shown.root.all("table", "numbers")

        groups = [th for th in table.all("th", "group") if "colspan" in th.attributes]
        assert [(th.text, th.attributes["colspan"]) for th in groups] == [
            ("offdiag_mean", "2"),
            ("offdiag_std", "3"),
            ("events", "3"),
        ]
        heads = [th.text for th in table.all("th", "number")]
        assert heads[:5] == ["final", "worst", "final", "min", "max"]
        numbers = [td.text for td in table.all("tbody")[0].all("td", "number")]
        assert numbers[:2] == ["0.200", "0.900step 1"]
        assert numbers[2:5] == ["0.100", "0.100step 2", "0.500step 1"]
        assert [tr.text for tr in others.all("tbody")[0].all("tr")] == ["rankme 20.5"]
        assert f"offdiag_std: {NUMBERS['offdiag_std'].sentence}" in shown.text

    def test_a_rank_is_shown_with_its_ceiling(self, sweep: SweepDir, page: ShowPage) -> None:
        metrics = {"offdiag_mean": 0.25, "effective_rank": 12.34, "rank_ceiling": 63}
        sweep.job().log(1, metrics={**metrics, "effective_rank_share": 12.34 / 63})

        shown = page()

        numbers = [td.text for td in shown.root.all("table", "numbers")[0].all("td", "number")]
        assert numbers[2:4] == ["12.3of 63", "12.3"]
        ((cell,),) = shown.cells
        assert cell.text == "step 1 mean 0.250 effective rank 12.3 of 63"
        assert "effective_rank 12.3 of 63" in image(cell).attributes["alt"]
        (chart,) = shown.table("grid").all("td", "chart")
        assert "effective_rank_share 0.196 at step 1" in chart.all("title")[0].text

    def test_what_is_optimised_has_its_columns(self, sweep: SweepDir, page: ShowPage) -> None:
        objective = "[train/loss, representation/teacher/rankme]"
        job = sweep.job(config=f"objective: {objective}")
        job.log(1, metrics={"teacher/rankme": 2.0, "teacher/lidar": 3.0})

        table, others = page().root.all("table", "numbers")

        assert "rankme" in [th.text for th in table.all("th", "group")]
        assert [th.text for th in others.all("tbody")[0].all("th")] == ["lidar"]

    def test_a_new_number_is_one_entry_of_the_table_of_numbers(
        self, sweep: SweepDir, page: ShowPage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rank = Number(
            *("rank", "features", 1.0, float("inf"), "low"),
            sentence="How many directions are in use.",
            why="The smallest is the worst.",
            decimals=1,
            headline=True,
            short="rank",
        )
        monkeypatch.setitem(NUMBERS, "rank", rank)
        sweep.job().log(1, metrics={"rank": 2.25, "a": 1}).log(2, metrics={"rank": 3.25, "a": 1})

        shown = page()

        table, _ = shown.root.all("table", "numbers")
        heads = [th.text for th in table.all("th", "number")]
        assert heads[:3] == ["final", "worst", "logged"]
        assert [td.text for td in table.all("td", "number")][:2] == ["3.2", "2.2step 1"]
        assert "rank: How many directions are in use. The smallest is the worst." in shown.text
        assert [cell.text for cell in shown.cells[0]] == ["step 1 rank 2.2", "step 2 rank 3.2"]
        # Its range is not that of the charts.
        assert shown.table("grid").all("polyline") == []

    def test_columns_line_up(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job("lr=1").log(1, feature_key="a").log(1, feature_key="b")
        sweep.job("lr=2")

        table = page().table("numbers")

        first, second = ([*tr.all("th")] for tr in table.all("thead")[0].all("tr"))
        span = sum(int(th.attributes.get("colspan", "1")) for th in first)
        tall = sum("rowspan" in th.attributes for th in first)
        assert span == tall + len(second)
        for row in table.all("tbody")[0].all("tr"):
            cells = [*row.all("th"), *row.all("td")]
            assert sum(int(c.attributes.get("colspan", "1")) for c in cells) == span


class TestChart:
    """Each row has a small chart of its history."""

    def test_lines_follow_the_values_on_common_axes(self, sweep: SweepDir, page: ShowPage) -> None:
        for last in (2, 4):
            job = sweep.job(f"lr={last}")
            for step in range(1, last + 1):
                share = step / last
                metrics = {"offdiag_mean": share, "offdiag_std": 1 - share}
                job.log(step, metrics=metrics)

        shown = page()
        charts = [td.all("svg")[0] for td in shown.table("grid").all("td", "chart")]

        (key,) = shown.root.all("p", "key")
        names = {span.all("path")[0].attributes["class"]: span.text for span in key.all("span")[:2]}
        assert names == {"line series1": "offdiag_mean", "line series2": "offdiag_std"}
        assert [len(chart.all("polyline")) for chart in charts] == [2, 2]
        short, long = (_points(chart, "series1") for chart in charts)
        assert short[-1][0] == long[1][0]  # step 2
        assert short[-1][1] == long[-1][1]  # 1.0
        assert [x for x, _ in long] == sorted(x for x, _ in long)
        assert [y for _, y in long] == sorted((y for _, y in long), reverse=True)
        falling = [y for _, y in _points(charts[1], "series2")]
        assert falling == sorted(falling)
        assert charts[0].attributes["aria-label"] == (
            "offdiag_mean 0.500 at step 1, 1.000 at step 2; "
            "offdiag_std 0.500 at step 1, 0.000 at step 2"
        )

    def test_values_below_zero_have_room(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job().log(1, metrics={"offdiag_mean": -0.3})

        (chart,) = page().table("grid").all("td", "chart")

        assert [t.text for t in chart.all("text")][:4] == ["−0.5", "0", "0.5", "1"]
        assert len(chart.all("circle")) == 1  # a line of one point shows nothing

    def test_a_long_history_keeps_its_extremes(self, sweep: SweepDir, page: ShowPage) -> None:
        job = sweep.job().log(1)
        event = (
            '{{"step": {}, "log_key": "gram_matrix", "feature_key": "teacher_cls_token", '
            '"status": "skipped", "metrics": {{"offdiag_mean": {}}}}}'
        )
        values = {step: 0.9 if step == 1234 else 0.1 for step in range(2, 3001)}
        job.line("\n".join(event.format(step, value) for step, value in values.items()))

        (chart,) = page().table("grid").all("td", "chart")

        points = _points(chart, "series1")
        assert len(points) <= 402
        assert len({y for _, y in points}) == 2

    def test_without_these_metrics(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job().log(1, metrics={"rankme": 3.0})

        (chart,) = page().table("grid").all("td", "chart")

        assert chart.text.startswith("none of offdiag_mean, offdiag_std, ")


class TestForm:
    """One file that shows the same everywhere, to everyone."""

    def test_it_needs_nothing_from_elsewhere(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job().log(1)

        shown = page()

        assert not re.search(r"https?://|<script|javascript:|@import|url\(", shown.html, re.I)
        sources = [
            value
            for tag in ("img", "link", "a", "iframe", "object")
            for element in shown.root.all(tag)
            for name, value in element.attributes.items()
            if name in {"src", "href", "data"}
        ]
        assert sources
        assert all(source.startswith("data:image/png;base64,") for source in sources)
        assert not [e for e in shown.root.all("img") if any(a[:2] == "on" for a in e.attributes)]

    def test_what_comes_from_files_is_text(self, sweep: SweepDir, page: ShowPage) -> None:
        evil = "<b>\"'&</b><script>alert(1)</script>"
        job = sweep.job(f"a={evil}", f"<i>={evil}", f"same={evil}")
        job.log(1, feature_key=evil, metrics={evil: 1.0, "offdiag_mean": 0.1}, remark=evil)
        job.skip(2, reason=evil)
        sweep.job("a=1", f"same={evil}").log(1)
        (sweep.path / "optimization_results.yaml").write_text(
            f"best_params: {{a: 1}}\nbest_value: '<script>{0}</script>'\n"
        )
        (sweep.path / "multirun.yaml").write_text(
            "hydra: {sweeper: {}, overrides: {task: ['a=<script>1']}}"
        )

        shown = page()

        assert "<script" not in shown.html
        assert '<b>"' not in shown.html
        assert not [b for b in shown.root.all("b") if "'" in b.text and "<b>" not in b.text]
        assert evil in shown.text
        assert (
            shown.cells[0][0].all("img")[0].attributes["alt"].startswith(f"Gram matrix of {evil}")
        )

    def test_it_is_accessible(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job("lr=1").log(1, 2)
        sweep.job("lr=2").log(1)

        root = page().root

        assert all(th.attributes.get("scope") for th in root.all("th"))
        assert all(img.attributes.get("alt") for img in root.all("img"))
        assert all(
            svg.attributes.get("aria-label") or svg.attributes.get("aria-hidden")
            for svg in root.all("svg")
            if svg.attributes["viewbox"] != "0 0 28 8"  # in a key that is hidden as a whole
        )
        assert root.all("html")[0].attributes["lang"] == "en"
        scrolling = root.all("div", "scroll")
        assert len(scrolling) == 2
        assert all(div.attributes["tabindex"] == "0" for div in scrolling)

    def test_the_sweep_is_named(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job("lr=1").log(1)
        (sweep.path / "multirun.yaml").write_text(
            "hydra:\n  sweeper:\n    params: {model.lr: '1,2'}\n  overrides: {task: [seed=1]}\n"
        )

        shown = page()

        assert "seed=1 model.lr=1,2" in shown.text
        assert str(sweep.path) in shown.text

    @pytest.mark.parametrize("content", ["[unclosed", "hydra: 1", "hydra: {sweeper: {}}", ""])
    def test_a_sweep_that_is_not_described(
        self, sweep: SweepDir, page: ShowPage, content: str
    ) -> None:
        sweep.job("lr=1").log(1)
        (sweep.path / "multirun.yaml").write_text(content)

        assert "Sweep report" in page().text

    def test_it_is_the_same_each_time(self, sweep: SweepDir, page: ShowPage) -> None:
        sweep.job("lr=1").log(1, 2)

        assert page().html == page().html


def _points(chart: Element, series: str) -> list[tuple[float, float]]:
    (line,) = chart.all("polyline", series)
    pairs = [point.split(",") for point in line.attributes["points"].split()]
    return [(float(x), float(y)) for x, y in pairs]
