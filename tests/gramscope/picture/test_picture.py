"""The picture, and the helper process that draws it."""

from __future__ import annotations

import io
import itertools
import os
import signal
import sys
import time

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from gramscope.picture.client import RenderClient, RenderError
from gramscope.picture.heatmap import HeatmapRenderer

EYE = np.eye(400, dtype=np.float32)


def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]


def colour_of(png: bytes, n: int, row: int, column: int) -> np.ndarray:
    """The colour in the middle of one cell of the matrix."""
    image = pixels(png)
    height, width = image.shape[:2]
    left, bottom, w, h = 0.105, 0.095, 0.72, 0.82  # the axes, as fractions of the picture
    x = (left + w * (column + 0.5) / n) * width
    y = (1 - bottom - h + h * (row + 0.5) / n) * height
    return image[int(y), int(x)]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_cells_have_the_colours_of_viridis_on_a_fixed_scale(n: int) -> None:
    gram = np.linspace(-1, 1, n * n, dtype=np.float32).reshape(n, n)
    viridis = matplotlib.colormaps["viridis"]

    png = HeatmapRenderer().png(gram, "title")

    for row in range(n):
        for column in range(n):
            expected = viridis((gram[row, column] + 1) / 2)[:3]
            np.testing.assert_allclose(colour_of(png, n, row, column), expected, atol=0.01)


def test_a_picture_does_not_depend_on_those_before_it() -> None:
    rng = np.random.default_rng(0)
    grams = [rng.uniform(-1, 1, (n, n)).astype(np.float32) for n in (4, 4, 7, 4)]
    renderer = HeatmapRenderer()

    pictures = [renderer.png(g, f"step {i}", (2,)) for i, g in enumerate(grams)]

    for i, gram in enumerate(grams):
        fresh = HeatmapRenderer().png(gram, f"step {i}", (2,))
        np.testing.assert_array_equal(pixels(pictures[i]), pixels(fresh))


def test_the_title_is_drawn() -> None:
    gram = np.eye(3, dtype=np.float32)
    renderer = HeatmapRenderer()

    assert renderer.png(gram, "step 1") != renderer.png(gram, "step 2")


def test_the_helper_draws_what_would_be_drawn_here() -> None:
    gram = EYE[:6, :6]
    client = RenderClient(60.0)
    try:
        assert client.png(gram, "t", [3]) == HeatmapRenderer().png(gram, "t", (3,))
        assert client.png(EYE, "larger than a pipe holds")
    finally:
        client.close()


def test_a_killed_helper_is_restarted_as_often_as_it_has_drawn() -> None:
    client = RenderClient(60.0)
    for _ in range(3):
        assert client.png(EYE[:2, :2], "t")
        assert client.pid is not None
        os.kill(client.pid, signal.SIGKILL)

    assert client.png(EYE[:2, :2], "t")
    client.close()


def test_one_that_cannot_live_is_tried_later_and_given_up_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    clock = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    client = RenderClient(1e6)

    said = []
    for _ in range(300):
        with pytest.raises(RenderError) as failure:
            client.png(EYE[:2, :2], "t")
        said.append(str(failure.value).partition(",")[0].partition(":")[0])

    assert [text for text, _ in itertools.groupby(said)] == [
        "the renderer died",
        "the renderer is gone",
    ]


def test_a_helper_that_hangs_costs_the_timeout() -> None:
    client = RenderClient(60.0)
    client.png(EYE[:2, :2], "t")
    assert client.pid is not None
    os.kill(client.pid, signal.SIGSTOP)
    client.timeout_s = 0.3

    with pytest.raises(RenderError, match=r"no picture within 0\.3 s"):
        client.png(EYE, "t")
    client.timeout_s = 60.0
    assert client.png(EYE[:2, :2], "t")
    client.close()


def test_a_helper_that_cannot_start_is_an_error_of_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with pytest.raises(RenderError, match="could not be started"):
        RenderClient(1.0).png(EYE[:2, :2], "t")


def test_closing_ends_the_process() -> None:
    client = RenderClient(60.0)
    client.png(EYE[:2, :2], "t")
    pid = client.pid
    assert pid is not None

    client.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RenderError, match="it was closed"):  # and no other is started
        client.png(EYE[:2, :2], "t")
