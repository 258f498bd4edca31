"""What a page shows of one image's patches, and of the same rows over time, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps

from gramscope.events.matrix import Patches
from gramscope.report.run.content import pictures
from gramscope.report.run.panels import panels_of
from gramscope.report.runs import load_runs
from tests.browser import needs_browser
from tests.gramscope.report.run.opened import Opened
from tests.gramscope.report.sweep_dir import JobDir, SweepDir

pytestmark = needs_browser

Open = Callable[..., Opened]

GRID = (2, 3, 4)
PATCH = 17  # at (1, 1, 1)
NUMBERS = {"patch_similarity": 0.4, "dense_inter": 0.5, "class/effective_rank": 12.0}


def similarity(seed: int, grid: tuple[int, ...] = GRID, patch: int = PATCH) -> Any:
    found = np.random.default_rng(seed).uniform(-0.9, 0.9, np.prod(grid)).astype(np.float32)
    found[patch] = 1
    return found


def gram(n: int, seed: int = 0) -> Any:
    features = np.random.default_rng(seed).normal(size=(n, 4))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features @ features.T


def watch_patches(
    job: JobDir, *steps: int, image: Any = None, grid: tuple[int, ...] = GRID, patch: int = PATCH
) -> JobDir:
    n = min(256, int(np.prod(grid)))
    for step in steps:
        job.log(
            step,
            gram=gram(n, step),
            ranks=[0] * n,
            feature_key="patch_tokens",
            metrics=NUMBERS | ({"gram_drift": step / 1000} if step else {}),
            index=np.arange(n, dtype=np.int32),
            patches=Patches(grid, patch, similarity(step, grid, patch), image),
        )
    return job


def viridis(values: Any, low: float = -1, high: float = 1) -> Any:
    shares = (np.asarray(values) - low) / (high - low)
    return np.asarray(colormaps["viridis"](np.atleast_1d(shares)))[..., :3] * 255


def plane(index: int) -> str:
    return f".planes > div:nth-child({index + 1}) canvas"


class TestSlices:
    """Similarities in planes through the chosen patch."""

    def test_they_follow_the_slider_and_the_colours(self, sweep: SweepDir, opened: Open) -> None:
        page = opened(watch_patches(sweep.job(), 10, 20).path)
        shown = {0: (3, 4), 1: (2, 4), 2: (2, 3)}

        def differs(step: int, low: float = -1, high: float = 1) -> float:
            cube = similarity(step).reshape(GRID)
            expected = [cube.take(1, axis) for axis in shown]
            found = [page.cells(plane(axis), *size) for axis, size in shown.items()]
            pairs = zip(found, expected, strict=True)
            return max(np.abs(a - viridis(b, low, high)).max() for a, b in pairs)

        assert differs(20) <= 4
        page.set_step(0)
        assert differs(10) <= 4
        page.choose("#colours", "adaptive")
        others = np.delete(similarity(10), PATCH)
        assert differs(10, others.min(), others.max()) <= 6
        assert page.page.locator(".planes small").all_inner_texts() == [
            "axis 0 at 1",
            "axis 1 at 1",
            "axis 2 at 1",
        ]
        assert page.errors == []

    def test_who_points_or_walks_reads_a_patch_and_its_place(
        self, sweep: SweepDir, opened: Open
    ) -> None:
        page = opened(watch_patches(sweep.job(), 10).path)
        cube = similarity(10).reshape(GRID)
        page.point(plane(1), 0.25, 0.9)
        value = f"{cube[0, 1, 3]:.2f}".replace("-", "−")

        said = page.text(".slices .read")
        assert said == f"{value} patch (0, 1, 3) of 2 × 3 × 4 with the chosen (1, 1, 1)"
        page.page.mouse.move(0, 0)
        page.page.locator(plane(0)).focus()
        page.page.keyboard.press("ArrowDown")
        page.page.keyboard.press("ArrowRight")
        assert page.text(".slices .read").startswith("1.00 patch (1, 1, 1) of")
        assert page.text(".slices .read").endswith("with itself")
        page.point("canvas.matrix", 0, 0.99)
        assert "patch 0 with rank 0, patch 23" in page.text(".read")

    def test_the_image_lies_below_and_is_on_the_page_once(
        self, sweep: SweepDir, opened: Open, tmp_path: Path
    ) -> None:
        image = np.zeros((6, 8), np.float16)
        image[:, 4:] = 1
        flat = np.full(12, 0.5, np.float32)
        job = watch_patches(sweep.job(), 10, grid=(3, 4), patch=0)
        for step in (20, 30, 40):
            patches = Patches((3, 4), 0, flat, image)
            job.log(step, gram=gram(12), ranks=[0] * 12, feature_key="patch_tokens",
                    metrics=NUMBERS, patches=patches)  # fmt: skip
        page = opened(job.path)
        cells = page.cells(plane(0), 3, 4)
        html = (tmp_path / "page.html").read_text()
        (packed,) = json.loads(html.partition('id="data-images">')[2].partition("<")[0])

        over = 0.6 * viridis(0.5)
        assert np.abs(cells[1:, :2] - over).max() <= 4
        assert np.abs(cells[1:, 2:] - over - 0.4 * 255).max() <= 4
        assert html.count(packed) == 1
        assert page.page.locator(".planes canvas:visible").count() == 1
        page.set_step(0)  # the image of another event is that of all
        assert page.cells(plane(0), 3, 4)[2, 3].sum() > 300

    def test_what_cannot_be_is_left_out_and_the_rest_shown(
        self, sweep: SweepDir, opened: Open
    ) -> None:
        job = watch_patches(sweep.job(), *range(10, 60, 10))
        whole = Patches(GRID, PATCH, similarity(1)).arrays()
        amiss = [
            {"image": np.full((4, 6, 8), np.nan)},
            {"grid": np.array([5, 5, 5])},
            {"similarity": np.full(24, np.inf)},
            {"grid": np.array(["</script>", "2", "3"])},
        ]
        for step, broken in enumerate(amiss, 1):
            with job.npz(10 * step).open("wb") as file:
                np.savez(file, gram=gram(24).astype(np.float32), **{**whole, **broken})
        page = opened(job.path)
        shown = []
        for step in range(5):
            page.set_step(step)
            shown.append(page.page.locator(".slices").is_visible())
            assert np.abs(page.colours(24) - viridis(gram(24))).max() <= 4 or step == 4

        assert shown == [True, False, False, False, True]
        assert page.errors == []

    def test_the_class_token_is_told_apart_from_patches(
        self, sweep: SweepDir, opened: Open
    ) -> None:
        page = opened(watch_patches(sweep.job(), 10, 20).path)
        everything = page.page.content()

        assert page.page.locator(".panel figcaption b").all_inner_texts() == ["patch_tokens"]
        for name in (*NUMBERS, "gram_drift"):
            assert re.search(rf'<th scope="row">{name}<', everything), name
        charts = page.page.locator("#headlines figcaption").all_text_contents()
        assert any(name.startswith("class/effective_rank") for name in charts)


def test_the_best_snapshot_is_said_beside_the_diagnosis(sweep: SweepDir, opened: Open) -> None:
    job = sweep.job()
    for step, inter in ((50, 0.5), (100, 0.9), (200, 0.6)):
        numbers = {"dense_inter": inter, "dense_intra": 0.3, "dense_rank": inter / 2}
        job.log(step, metrics=numbers)
    other = sweep.job().log(10, 20, 30)
    page = opened(job.path, other.path)

    (said,) = page.page.locator("[aria-labelledby=course] .teacher").all_inner_texts()
    assert said.startswith(
        "Which gram teacher? By the numbers, patches were grouped best at step 100"
    )


class TestFilm:
    """The same rows at a few steps beside each other."""

    def test_a_click_goes_to_its_step(self, sweep: SweepDir, opened: Open) -> None:
        job = sweep.job()
        for step in range(0, 120, 10):
            job.log(step, gram=gram(4, step), metrics={"gram_drift": 0.1, "offdiag_mean": 0.2})
        page = opened(job.path)
        strip = page.page.locator(".film button")
        steps = [int(text.removeprefix("step ")) for text in strip.all_inner_texts()]
        current = page.page.locator(".film [aria-current]")

        assert len(steps) == 8
        assert (steps[0], steps[-1]) == (0, 110)
        assert current.all_inner_texts() == ["step 110"]
        strip.nth(2).click()
        page.settle()
        assert page.text("#step") == str(steps[2])
        assert current.all_inner_texts() == [f"step {steps[2]}"]
        thumb = f".film button:nth-child({3}) canvas"
        assert np.abs(page.cells(thumb, 4, 4) - viridis(gram(4, steps[2]))).max() <= 4
        page.page.keyboard.press("Tab")
        page.page.keyboard.press("Enter")
        page.settle()
        assert page.text("#step") == str(steps[3])
        names = [button.get_attribute("aria-label") for button in strip.all()]
        assert names == [f"step {step} of teacher_cls_token" for step in steps]
        page.page.emulate_media(media="print")
        assert all(button.is_visible() for button in strip.all())
        assert page.errors == []

    def test_of_patches_it_shows_the_first_plane(self, sweep: SweepDir, opened: Open) -> None:
        page = opened(watch_patches(sweep.job(), 10, 20).path)
        expected = similarity(10).reshape(GRID)[1]

        found = page.cells(".film button canvas", 3, 4)
        assert np.abs(found - viridis(expected)).max() <= 4

    def test_other_rows_at_each_event_are_no_film(self, sweep: SweepDir, opened: Open) -> None:
        page = opened(sweep.job().log(10, 20, 30).path)

        assert page.page.locator(".film").count() == 0

    def test_without_scripts_it_is_a_table_of_steps(
        self, sweep: SweepDir, opened: Open, chromium: Any, tmp_path: Path
    ) -> None:
        opened(watch_patches(sweep.job(), 0, 100, 200).path)
        context = chromium.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        rows = page.locator(".film tr").all_inner_texts()
        context.close()

        heading, *values = [row.split("\t") for row in rows]
        assert heading[0] == "step"
        assert [row[0] for row in values] == ["0", "100", "200"]
        at = heading.index("gram_drift")
        assert [row[at] for row in values] == ["—", "0.100", "0.200"]


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(width: int, sweep: SweepDir, opened: Open) -> None:
    image = np.random.default_rng(0).normal(size=(4, 300, 8)).astype(np.float16)
    job = watch_patches(sweep.job(), *range(0, 100, 10), image=image)
    page = opened(job.path, width=width, color_scheme="dark")

    assert page.page.evaluate("document.documentElement.scrollWidth") == width
    assert page.errors == []


def test_of_many_patches_so_many_pictures_as_there_is_room_for(sweep: SweepDir) -> None:
    grid, job = (200, 200), sweep.job()
    image = np.random.default_rng(0).normal(size=(600, 600)).astype(np.float16)
    for step in range(1, 41):
        job.log(step, patches=Patches(grid, 0, similarity(step, grid, 0), image))
    runs, _ = load_runs([job.path])
    (panel,), _ = panels_of(runs, 1_000_000)
    found = pictures(panel)

    frames = sum(len(frame["data"]) for frame in found.frames)
    assert 500_000 < frames + len(found.image) < 1_000_000
    assert [found.frames[0]["step"], found.frames[-1]["step"]] == [1, 40]
    assert found.problems == []


def test_a_grid_too_fine_for_slices_is_said(sweep: SweepDir) -> None:
    grid = (300, 300)
    job = sweep.job()
    job.log(10, patches=Patches(grid, 0, np.ones(90_000, np.float32)))
    runs, _ = load_runs([job.path])
    (panel,), _ = panels_of(runs, 1_000_000)
    found = pictures(panel)

    assert len(found.frames) == 1
    assert found.problems[0].endswith("a grid of 300 x 300 patches is too fine for slices")
