"""The page of a run in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps

from gramscope.cli import main
from tests.browser import needs_browser
from tests.gramscope.report.run.opened import Opened
from tests.gramscope.report.sweep_dir import JobDir, SweepDir

pytestmark = needs_browser

Open = Callable[..., Opened]

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\x1b[31mred\x07",
    "Ünïcode 🧠 ‮",
    "x" * 10_000,
]


def grams(n: int = 6, seed: int = 0) -> Any:
    features = np.random.default_rng(seed).normal(size=(n, 4))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features @ features.T


def viridis(gram: Any, low: float = -1, high: float = 1) -> Any:
    return (colormaps["viridis"]((gram - low) / (high - low))[..., :3] * 255).round().astype(int)


def a_run(job: JobDir, steps: int = 5, n: int = 6, **more: Any) -> JobDir:
    for step in range(1, steps + 1):
        job.log(
            10 * step,
            gram=grams(n, step),
            ranks=[0] * (n // 2) + [1] * (n - n // 2),
            metrics={"offdiag_mean": step / steps, "offdiag_std": 0.2, "spread": 0.5},
            index=np.arange(n, dtype=np.int32),
            spectrum=np.geomspace(5, 0.1, 4).astype(np.float32),
            **more,
        )
    return job


@pytest.fixture
def run(sweep: SweepDir) -> JobDir:
    """Five events, two ranks, labels and ids, the last two in an alarm."""
    rows = {"label": np.array(list("cabcab")), "sample_id": np.arange(100, 106)}
    job = a_run(sweep.job("model.lr=0.1"), 3, state="healthy", **rows)
    for step in (40, 50):
        job.log(
            step,
            gram=grams(6, step // 10),
            ranks=[0, 0, 0, 1, 1, 1],
            metrics={"offdiag_mean": 0.99, "offdiag_std": 0.0, "spread": 0.01},
            state="complete_collapse",
            said="complete collapse since step 40: Samples become one point." * (step == 40),
            **rows,
        )
    job.skip(60, reason="backlog")
    return job


def test_a_page_is_quiet_and_needs_nothing(run: JobDir, opened: Open) -> None:
    page = opened(run.path)

    assert page.errors == []
    assert len(page.requests) == 1  # the page itself
    assert page.text("h1") == "Run report"


class TestMatrices:
    """What the slider, the keys and the choices show."""

    def test_the_last_is_shown_first_and_the_slider_goes_to_others(
        self, run: JobDir, opened: Open
    ) -> None:
        page = opened(run.path)
        last = page.colours(6)
        page.set_step(1)

        assert np.abs(last - viridis(grams(6, 5))).max() <= 4
        assert np.abs(page.colours(6) - viridis(grams(6, 2))).max() <= 4
        assert page.text("#step") == "20"

    def test_rows_are_ordered_by_label_and_by_cluster(self, run: JobDir, opened: Open) -> None:
        page = opened(run.path)
        shown = {}
        for order in ("label", "cluster"):
            page.choose("#order", order)
            shown[order] = page.colours(6)

        gram = grams(6, 5)
        by_label = np.argsort(np.array(list("cabcab")), kind="stable")
        assert np.abs(shown["label"] - viridis(gram[np.ix_(by_label, by_label)])).max() <= 4
        assert not np.array_equal(shown["label"], shown["cluster"])

    def test_colours_take_the_range_of_the_matrix(self, run: JobDir, opened: Open) -> None:
        run.log(70, gram=0.9 + 0.05 * grams(6, 9), ranks=[0] * 6, sample_id=np.arange(6))
        page = opened(run.path)
        page.choose("#colours", "adaptive")

        off = ~np.eye(6, dtype=bool)
        gram = 0.9 + 0.05 * grams(6, 9)
        expected = viridis(gram, gram[off].min(), gram[off].max())
        assert np.abs(page.colours(6)[off] - expected[off]).max() <= 5
        assert page.text("#scale").split("\n") == ["its least", "its greatest"]
        assert f"{gram[off].min():.2f} to {gram[off].max():.2f}" in page.text(".panel .at")

    def test_who_points_at_an_entry_reads_it(self, run: JobDir, opened: Open) -> None:
        page = opened(run.path)
        box = page.page.locator("canvas.matrix").bounding_box()
        cell = box["width"] / 6
        page.page.mouse.move(box["x"] + 4.5 * cell, box["y"] + 1.5 * cell)

        said = page.text(".read")
        value = f"{grams(6, 5)[1, 4]:.2f}".replace("-", "−")
        assert said == f"{value} rank 0, id 101, label a with rank 1, id 104, label a"

    def test_keys_play_walk_and_read(self, run: JobDir, opened: Open) -> None:
        page = opened(run.path)
        keyboard = page.page.keyboard
        keyboard.press("Home")
        assert page.text("#step") == "10"
        keyboard.press("ArrowRight")
        assert page.text("#step") == "20"
        page.page.locator("canvas.matrix").focus()
        keyboard.press("ArrowDown")
        keyboard.press("ArrowRight")
        keyboard.press("ArrowRight")
        assert "id 101, label a with" in page.text(".read")
        assert page.text("#step") == "20"  # these keys were the matrix's
        page.page.evaluate("document.activeElement.blur()")
        keyboard.press("Space")
        assert page.text("#play") == "Pause"
        page.page.wait_for_selector("#play:has-text('Play')")
        assert page.text("#step") == "50"

    def test_features_are_side_by_side_under_one_slider(
        self, sweep: SweepDir, opened: Open
    ) -> None:
        numbers = {"head/offdiag_mean": 0.5, "backbone/offdiag_mean": 0.1}
        job = sweep.job()
        for step in (10, 20):
            job.log(
                step,
                gram=grams(4, step),
                role="head",
                others={"backbone": grams(4, 99)},
                metrics=numbers,
            )
        page = opened(job.path)
        page.set_step(0)

        assert page.page.locator(".panel figcaption b").all_inner_texts() == ["head", "backbone"]
        assert np.abs(page.colours(4, 0) - viridis(grams(4, 10))).max() <= 4
        assert np.abs(page.colours(4, 1) - viridis(grams(4, 99))).max() <= 4

    def test_an_address_keeps_what_was_chosen(self, run: JobDir, opened: Open) -> None:
        page = opened(run.path, address="#step=30&order=label&colours=adaptive")

        assert page.text("#step") == "30"
        assert page.page.input_value("#order") == "label"
        assert page.page.input_value("#colours") == "adaptive"


class TestNumbers:
    """Charts, states and tables."""

    def test_a_click_in_a_chart_goes_to_its_step(self, run: JobDir, opened: Open) -> None:
        page = opened(run.path)
        over = page.page.locator("#headlines .u-over").first
        over.scroll_into_view_if_needed()
        box = over.bounding_box()
        page.page.mouse.move(box["x"] + box["width"] * 0.26, box["y"] + 20)
        said = page.text("#headlines .chart small")
        page.page.mouse.click(box["x"] + box["width"] * 0.26, box["y"] + 20)

        assert said == "step 20: 0.667"
        assert page.text("#step") == "20"

    def test_alarms_are_the_ground_of_charts_and_told_with_their_words(
        self, run: JobDir, opened: Open
    ) -> None:
        page = opened(run.path)

        course = page.page.locator(".course li").all_inner_texts()
        assert course[0].startswith("steps 10 to 30 healthy")
        assert "Samples become one point." in course[1]
        assert "Samples become one point." in page.text(".note.alarm")
        canvas = (
            "share => { const c = document.querySelector('#headlines canvas');"
            "const at = [c.width * share, c.height * .5, 1, 1];"
            "return [...c.getContext('2d').getImageData(...at).data] }"
        )
        calm, red = page.page.evaluate(canvas, 0.4), page.page.evaluate(canvas, 0.9)
        assert calm[3] < 255 or calm[:3] == [255] * 3 or calm != red
        assert red[0] > red[2]

    def test_tables_say_all_numbers_skips_and_settings(self, run: JobDir, opened: Open) -> None:
        page = opened(run.path)
        everything = page.page.content()

        assert "backlog 1" in page.text("section:nth-of-type(1)")
        assert "step 60: backlog" in everything
        assert "model.lr=0.1" in page.text("[aria-labelledby=settings]")
        assert "spread" in everything
        page.page.locator("#more-charts summary").click()
        page.page.wait_for_selector("#more-charts .uplot canvas")

    def test_charts_and_tables_take_several_runs(self, sweep: SweepDir, opened: Open) -> None:
        one, two = a_run(sweep.job("lr=1")), a_run(sweep.job("lr=2"), 4)
        page = opened(one.path, two.path)

        assert page.text("h1") == "2 runs side by side"
        assert page.page.locator(".panel figcaption b").all_inner_texts() == ["0", "1"]
        assert page.page.locator("#key span").all_inner_texts() == [" 0", " 1"]
        assert "the last before" in page.text(".panel:nth-child(2) .at")
        compared = page.text("[aria-labelledby=compared]")
        assert "model.lr" not in compared
        assert re.search(r"lr\s+1\s+2", compared)
        assert re.search(r"offdiag_mean\s+40\s+0\.800\s+1\.000\s+0\.200", compared)


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(
    width: int, scheme: str, run: JobDir, opened: Open
) -> None:
    page = opened(run.path, width=width, color_scheme=scheme)

    assert page.page.evaluate("document.documentElement.scrollWidth") == width
    ground = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert page.errors == []


def test_it_prints_in_the_colours_of_paper(run: JobDir, opened: Open) -> None:
    page = opened(run.path, color_scheme="dark")
    page.page.emulate_media(media="print")
    page.page.wait_for_timeout(100)

    text = page.page.evaluate("getComputedStyle(document.body).color")
    assert text == "rgb(0, 0, 0)"
    assert not page.page.locator(".controls").first.is_visible()
    assert page.page.pdf()[:5] == b"%PDF-"


def test_pages_of_a_sweep_and_of_its_jobs_link_to_each_other(sweep: SweepDir, opened: Open) -> None:
    jobs = [a_run(sweep.job(f"lr={lr}"), 2) for lr in (1, 2)]
    main(["sweep-report", str(sweep.path), "--pages"])
    page = opened(jobs[1].path).page
    page.goto((sweep.path / "sweep_report.html").as_uri())
    page.click("table.numbers th[scope=row] a >> nth=1")
    page.wait_for_selector("html[data-ready]")

    assert page.url == (jobs[1].path / "report.html").as_uri()
    page.click("header a")
    assert page.text_content("h1") == "Sweep report"


def test_hostile_names_are_text(sweep: SweepDir, opened: Open) -> None:
    job = sweep.job("name=</script><script>alert(3)</script>", subdir="</p><b>run")
    job.log(
        1,
        2,
        gram=grams(5),
        ranks=[0] * 5,
        feature_key=HOSTILE[0],
        label=np.array(HOSTILE),
        sample_id=np.array(HOSTILE[::-1]),
        remark=HOSTILE[1],
        metrics={"offdiag_mean": 0.1, "gram_drift": 0.1, HOSTILE[0]: 1.0, HOSTILE[2]: 2.0},
        state="duplicates",
        said=HOSTILE[1],
    )
    page = opened(job.path)
    page.page.locator("canvas.matrix").focus()
    said = []
    for _ in range(4):
        page.page.keyboard.press("ArrowRight")
        said.append(page.text(".read"))

    assert page.errors == []
    assert len(page.requests) == 1
    assert page.page.locator("b:has-text('run')").count() == 0
    assert HOSTILE[0] in page.text(".panel figcaption b")
    assert HOSTILE[1] in page.text(".panel .remark")
    assert "\\x1b[31mred\\x07" in said[1]
    assert all(len(text) < 400 for text in said)
    names = [b.get_attribute("aria-label") for b in page.page.locator(".film button").all()]
    assert names == [f"step 1 of {HOSTILE[0]}", f"step 2 of {HOSTILE[0]}"]
    assert page.page.evaluate("document.documentElement.scrollWidth") == 1280


def test_without_scripts_the_tables_are_there(run: JobDir, opened: Open, tmp_path: Path) -> None:
    opened(run.path)
    html = (tmp_path / "page.html").read_text()

    tables = html.partition('<script type="application/octet-stream"')[0]
    assert "complete collapse since step 40" in tables
    assert re.search(r"offdiag_mean.*?0\.990", tables, re.DOTALL)
    assert len(json.loads(html.partition('id="data-pictures">')[2].partition("<")[0])[0]) == 5
