"""Planes of an image beside its patches' matrix, and events beside each other in one picture."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from gramscope.events.matrix import Matrix, MatrixError, OfRole, Patches
from gramscope.picture.cells import cells_of
from gramscope.picture.client import RenderClient, RenderError
from gramscope.picture.film import film
from gramscope.picture.look import MOST_FRAMES, Course, Look
from gramscope.picture.planes import Planes, planes_of
from gramscope.picture.renderer import Renderer
from gramscope.picture.strip import Strip

HOSTILE = "$\\frac{$ <b>\x1b[2J\u202e " + "long " * 2000
NAN = float("nan")


@pytest.fixture(scope="module")
def client() -> Iterator[RenderClient]:
    client = RenderClient(60.0)
    yield client
    client.close()


def codes(png: bytes) -> np.ndarray:
    """A number for each pixel's colour."""
    rgb = matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]
    return (rgb * 255).round().astype(np.int64) @ (1, 256, 65536)


def code_of(similarity: float, span: tuple[float, float] = (-1.0, 1.0)) -> int:
    at = (similarity - span[0]) / (span[1] - span[0])
    rgb = matplotlib.colormaps["viridis"](at, bytes=True)[:3]
    return int(np.array(rgb, np.int64) @ (1, 256, 65536))


def rgb_of(code: int) -> np.ndarray:
    return np.array([code & 255, code >> 8 & 255, code >> 16 & 255], float)


def found(picture: np.ndarray, tile: np.ndarray) -> list[tuple[int, int]]:
    """Where in a picture a tile stands, from the left and from above."""
    tile = (tile & 0xFFFFFF).astype(np.int64)
    middle = len(tile) // 2
    windows = np.lib.stride_tricks.sliding_window_view(picture, tile.shape[1], axis=1)
    rows, lefts = np.nonzero((windows == tile[middle]).all(axis=-1))
    return [
        (int(left), int(row - middle))
        for row, left in zip(rows, lefts, strict=True)
        if np.array_equal(picture[row - middle :, left:][: len(tile), : tile.shape[1]], tile)
    ]


def of_patches(
    grid: tuple[int, ...], patch: int, shape: tuple[int, ...] | None = None, seed: int = 0
) -> Matrix:
    rng = np.random.default_rng(seed)
    count = math.prod(grid)
    similarity = rng.uniform(-0.9, 0.9, count).astype(np.float32)
    similarity[patch] = 1.0
    image = None if shape is None else rng.uniform(0, 9, shape).astype(np.float16)
    index = np.unique(np.linspace(0, count - 1, min(count, 256)).astype(np.int32))
    gram = rng.uniform(-0.9, 0.9, (len(index), len(index))).astype(np.float32)
    np.fill_diagonal(gram, 1.0)
    patches = Patches(grid, patch, similarity, image)
    return Matrix(gram, np.zeros_like(index), index, patches=patches)


def planes_and_tiles(matrix: Matrix, height: int) -> tuple[Planes, list[list[np.ndarray]]]:
    assert matrix.patches is not None
    planes = planes_of(matrix.patches, height, 230)
    shown = planes.columns(matrix.patches.image, [matrix.patches.similarity], (-1.0, 1.0))
    return planes, shown


KINDS = [
    ((1, 1), 0, None),
    ((1, 40), 39, None),
    ((4, 6), 0, (31, 50)),
    ((4, 6), 23, None),
    ((2, 3, 5), 29, None),
    ((2, 3, 5), 7, (9, 31, 23)),
    ((1, 1, 60), 30, (2, 3, 300)),
]


@pytest.mark.parametrize(("grid", "patch", "shape"), KINDS)
def test_planes_through_the_patch_stand_beside_the_matrix(
    grid: tuple[int, ...], patch: int, shape: tuple[int, ...] | None
) -> None:
    """Whole, at one place each, image and similarity beside each other, planes below each other."""
    matrix = of_patches(grid, patch, shape)
    picture = codes(Renderer().png(matrix, "t"))
    side = cells_of(len(matrix.gram), (), ()).extent.side
    planes, rows = planes_and_tiles(matrix, side)

    assert len(rows) == {2: 1, 3: 3}[len(grid)]
    places = [[found(picture, tile) for tile in row] for row in rows]
    assert all(len(place) == 1 and place[0][0] >= 640 for row in places for place in row)
    lefts, tops = zip(*(place[0] for row in places for place in row), strict=True)
    assert len(set(lefts)) == 1 + (shape is not None)
    assert len(set(tops)) == len(rows)
    assert planes.place == np.unravel_index(patch, grid)


@pytest.mark.parametrize(("grid", "patch", "shape"), KINDS)
def test_every_patch_has_its_colour_and_the_chosen_one_an_outline(
    grid: tuple[int, ...], patch: int, shape: tuple[int, ...] | None
) -> None:
    matrix = of_patches(grid, patch)
    patches = replace(matrix.patches, image=None if shape is None else np.ones(shape, np.float16))
    planes, rows = planes_and_tiles(replace(matrix, patches=patches), 456)
    volume = patches.similarity.reshape(grid)

    for plane, row in zip(planes.each, rows, strict=True):
        tile = (row[-1] & 0xFFFFFF).astype(np.int64)
        assert tile.shape == (plane.size[0] + 4, plane.size[1] + 4)
        cut = volume if plane.axis is None else volume.take(planes.place[plane.axis], plane.axis)
        (y, x), (tall, wide) = plane.place, np.array(plane.size) / cut.shape
        for i, j in np.ndindex(*cut.shape):
            shown = tile[2 + int((i + 0.5) * tall), 2 + int((j + 0.5) * wide)]
            if max(abs(i - y) * tall, abs(j - x) * wide) > 2 + max(tall, wide):
                share, grey = (1.0, 0) if shape is None else (0.65, 0.35 * 175)
                expected = share * rgb_of(code_of(cut[i, j])) + grey
                np.testing.assert_allclose(rgb_of(int(shown)), expected, atol=3)
        middle = tile[2 + int((y + 0.5) * tall), 2 + int((x + 0.5) * wide)]
        assert middle == code_of(1.0) or shape is not None
        across = tile[2 + int((y + 0.5) * tall)]
        left = 2 + plane.place[1] * plane.size[1] // cut.shape[1]
        assert across[left - 2 : left].tolist() == [0, 0xFFFFFF]  # black, then white
        assert (across[: left - 2] != 0).all()


def test_an_image_keeps_its_shape_and_is_not_smoothed() -> None:
    image = np.zeros((20, 40, 30), np.float16)
    image[:, :, 15:] = 1.0
    planes = planes_of(Patches((2, 2, 2), 0, np.ones(8, np.float32), image), 456, 230)
    (first, _), (second, _), (third, _) = planes.columns(image, [np.ones(8, np.float32)], (-1, 1))

    sizes = [np.subtract(tile.shape, 4) for tile in (first, second, third)]
    for size, edges in zip(sizes, ((40, 30), (20, 30), (20, 40)), strict=True):
        assert size[0] / size[1] == pytest.approx(edges[0] / edges[1], abs=0.02)
    tones = np.unique(first[-20, 2:-2] & 0xFFFFFF, return_counts=True)
    assert tones[0].tolist() == [0, 0xFFFFFF]
    assert abs(np.diff(tones[1])[0]) <= 1


@pytest.mark.parametrize("order", ["cluster", "label", "rank"])
def test_patches_have_no_order_but_their_own_and_that_of_clusters(order: str) -> None:
    """Whatever labels and ids come with them: these are of samples."""
    matrix = of_patches((4, 4), 5)
    named = replace(
        matrix, label=np.arange(16)[::-1].copy(), sample_id=np.array([HOSTILE[:99]] * 16)
    )

    assert Renderer().png(named, "t", Look(order)) == Renderer().png(matrix, "t", Look(order))
    is_as_they_are = Renderer().png(matrix, "t", Look(order)) == Renderer().png(matrix, "t")
    assert is_as_they_are == (order != "cluster")


def test_adaptive_colours_span_the_similarities_of_patches_too() -> None:
    matrix = of_patches((3, 4), 0)
    gram = np.where(np.eye(12) > 0, 1.0, 0.1).astype(np.float32)
    similarity = np.linspace(0.2, 0.6, 12, dtype=np.float32)
    similarity[0] = 1.0
    matrix = replace(matrix, gram=gram, patches=Patches((3, 4), 0, similarity))

    picture = codes(Renderer().png(matrix, "t", Look(color_range="adaptive")))[:, 640:]

    assert {code_of(x, (0.1, 0.6)) for x in similarity[1:]} <= set(picture.ravel().tolist())


def test_a_film_shows_matrices_beside_each_other_in_the_same_colours() -> None:
    shades = (-0.5, 0.1, 0.7, 0.1)
    matrices = [Matrix(np.full((40, 40), x, np.float32)) for x in shades]

    for course in (None, Course("gram_drift", (NAN, 0.5, 0.2, 0.1))):
        picture = codes(film(matrices, range(4), HOSTILE, Look(), course))
        row = picture[180]
        starts = [int((row == code_of(x)).argmax()) for x in (-0.5, 0.1, 0.7)]
        counts = [int((row == code_of(x)).sum()) for x in (-0.5, 0.1, 0.7)]
        assert starts == sorted(starts)
        assert counts[1] == 2 * counts[0] == 2 * counts[2] > 400
        assert (picture[:, [0, -1]] == 0xFFFFFF).all()  # nothing is cut off


def test_rows_of_a_film_stand_in_the_order_of_its_last_event() -> None:
    group = np.arange(8) % 2
    last = np.where(group[:, None] == group, 0.5, -0.5).astype(np.float32)
    matrices = [Matrix(np.zeros_like(last)), Matrix(last), Matrix(np.zeros((3, 3), np.float32))]

    by_turns, clustered = (
        codes(film(matrices[:2], (1, 2), "t", Look(order))) for order in ("rank", "cluster")
    )

    changes = [int((np.diff(x[180]) != 0).sum()) for x in (by_turns, clustered)]
    assert changes[0] - changes[1] == 6
    assert film(matrices, (1, 2, 3), "t", Look("cluster"))


def test_a_film_of_roles_has_a_row_for_each() -> None:
    def event(x: float) -> Matrix:
        gram = np.full((4, 4), x, np.float32)
        return Matrix(gram, role=HOSTILE, others={"_": OfRole(-gram)})

    picture = codes(film([event(0.2), event(0.6)], (0, 100), "t", Look()))

    middles = {x: np.argwhere(picture == code_of(x)).mean(axis=0) for x in (0.2, 0.6, -0.2, -0.6)}
    assert middles[0.2][0] + 200 < middles[-0.2][0]
    assert middles[0.2][1] + 200 < middles[0.6][1]
    assert abs(middles[-0.6][1] - middles[0.6][1]) < 20


@pytest.mark.parametrize(("grid", "patch", "shape"), KINDS)
def test_a_film_of_patches_outlines_the_same_patch_in_all_frames(
    grid: tuple[int, ...], patch: int, shape: tuple[int, ...] | None
) -> None:
    events = [of_patches(grid, patch, shape, seed) for seed in range(2)]
    events[1] = replace(events[1], patches=replace(events[1].patches, image=None))

    picture = codes(film(events, (7, 1234567), "t", Look()))

    first = events[0].patches
    planes = planes_of(first, 480, 256)
    rows = planes.columns(first.image, [e.patches.similarity for e in events], (-1.0, 1.0))
    for row in rows:
        places = [found(picture, tile) for tile in row]
        assert len(row) == 2 + (shape is not None)
        assert all(places)
        assert len({place[0][1] for place in places}) == 1
        lefts = [place[0][0] for place in places]
        assert lefts == sorted(lefts)


def test_the_helper_makes_films_and_refuses_what_is_none(
    client: RenderClient, capfd: pytest.CaptureFixture[str]
) -> None:
    events = [of_patches((3, 4), 5, (30, 40), seed) for seed in range(MOST_FRAMES + 1)]
    npzs, steps = [event.npz() for event in events], range(MOST_FRAMES + 1)
    course = Course(HOSTILE, (NAN, 0.5))

    made = client.film(npzs[:2], steps[:2], HOSTILE, Look("cluster", "adaptive"), course)

    assert made == film(events[:2], (0, 1), HOSTILE, Look("cluster", "adaptive"), course)
    assert client.film(npzs[:1], steps[:1], "界", Look(), Course("界", (0.5,)))
    refused = [
        (npzs, steps, "1 to 8 frames"),
        ([], [], "1 to 8 frames"),
        (npzs[:2], [1], "1 steps"),
        ([npzs[0], b"no matrix"], [1, 2], "unreadable"),
        ([npzs[0], Matrix(np.eye(2, dtype=np.float32)).npz()], [1, 2], "one grid"),
        ([npzs[0], of_patches((3, 4), 6).npz()], [1, 2], "one chosen patch"),
    ]
    for frames, of_frames, why in refused:
        with pytest.raises(RenderError, match=why):
            client.film(frames, of_frames, "t")
    assert client.png(npzs[0], "t") == Renderer().png(events[0], "t")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("every", [1, 100])
def test_a_strip_keeps_events_that_are_spread_evenly(every: int) -> None:
    strip, npz = Strip(), Matrix(np.eye(2, dtype=np.float32)).npz()

    for count in range(1, 300):
        strip.add((count - 1) * every, npz)
        steps = strip.steps
        assert (steps[0], steps[-1]) == (0, (count - 1) * every)
        assert len(steps) == len(strip.npzs) == min(count, MOST_FRAMES)
        gaps = np.diff(steps)[:-1]
        assert not len(gaps) or gaps.max() <= 2 * gaps.min()


def test_a_strip_is_small_and_makes_the_same_film(client: RenderClient) -> None:
    gram = np.full((1000, 1000), 0.3, np.float32)
    rows = Strip()
    for step in range(20):
        rows.add(step, Matrix(gram, role="a", others={"b": OfRole(-gram)}).npz())
    assert rows.size < MOST_FRAMES * 2 * (256 * 256 * 4 + 2000)

    events = [of_patches((9, 9, 9), 300, (80, 320, 40), seed) for seed in range(12)]
    patches = Strip()
    for step, event in enumerate(events):
        patches.add(step, event.npz())
    assert patches.size < 40 * 160 * 20 * 2 + MOST_FRAMES * (9**3 * 4 + 5000)
    with pytest.raises(MatrixError, match="unreadable"):
        patches.add(99, b"no matrix")

    assert client.film(rows.npzs, rows.steps, "t", Look("cluster", "adaptive"))
    whole = [events[step] for step in patches.steps]
    sizes = [
        codes(png).shape
        for png in (
            client.film(patches.npzs, patches.steps, "t"),
            film(whole, patches.steps, "t", Look()),
        )
    ]
    assert sizes[0] == sizes[1]
