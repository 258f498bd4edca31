"""The picture, and the helper process that draws it."""

from __future__ import annotations

import io
import itertools
import os
import signal
import sys
import time
from dataclasses import replace
from functools import cache

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from gramscope.events.matrix import Matrix, OfRole
from gramscope.picture.client import RenderClient, RenderError
from gramscope.picture.look import Look
from gramscope.picture.order import row_order
from gramscope.picture.renderer import Renderer
from gramscope.picture.rows import rows_of

RNG = np.random.default_rng(0)
LARGE = Matrix(RNG.uniform(-1, 1, (400, 400)).astype(np.float32)).npz()
SMALL = Matrix(np.eye(2, dtype=np.float32)).npz()
VIRIDIS = matplotlib.colormaps["viridis"]
BOTH = ("histogram", "spectrum")


@cache
def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]


def heatmap(png: bytes, place: int = 0) -> np.ndarray:
    """The pixels within a matrix' black edge; of the second one, stands at the right."""
    top, left, side = edge(png, place)
    return pixels(png)[top + 1 :, left + 1 :][:side, :side]


def edge(png: bytes, place: int = 0) -> tuple[int, int, int]:
    """Where a matrix' black edge begins, from above and from the left, and the side within."""
    black = is_black(pixels(png))
    top, left = (np.flatnonzero(longest_runs(x) > 300) for x in (black, black.T))
    side = int(black[top[0], left[0] :].argmin()) - 2
    if place:
        left = left[left > left[0] + side + 1]
    return int(top[0]), int(left[0]), side


def is_black(image: np.ndarray) -> np.ndarray:
    return (image == 0).all(axis=-1)


def longest_runs(found: np.ndarray) -> np.ndarray:
    """How many stand side by side, at most, in each row."""
    counts = found.cumsum(axis=1)
    return (counts - np.maximum.accumulate(np.where(found, 0, counts), axis=1)).max(axis=1)


def colour_of(png: bytes, n: int, row: float, column: float, place: int = 0) -> np.ndarray:
    """The colour in the middle of one of few cells of a matrix."""
    image = heatmap(png, place)
    return image[int(len(image) * (row + 0.5) / n), int(len(image) * (column + 0.5) / n)]


def values(png: bytes, n: int) -> np.ndarray:
    """What the colours of a matrix say, from 0 to 1."""
    cells = np.array([[colour_of(png, n, i, j) for j in range(n)] for i in range(n)])
    table = VIRIDIS(np.arange(256))[:, :3]
    return np.abs(cells[..., None, :] - table).sum(-1).argmin(-1) / 255


def lines(png: bytes) -> list[list[int]]:
    """Rows, then columns, of nothing but black and white, neither of which viridis has."""
    image = heatmap(png)
    dots = ((image == 0) | (image == 1)).all(axis=-1)
    return [np.flatnonzero(dots.mean(axis=axis) > 0.9).tolist() for axis in (1, 0)]


def strips(png: bytes) -> list[np.ndarray]:
    """Grey tones above the edge of a matrix, and at its right, three pixels from it."""
    image, (top, left, side) = pixels(png), edge(png)
    one, other = image[top - 3, left + 1 :][:side], image[top + 1 :, left + side + 4][:side]
    assert (one.std(axis=-1) < 0.01).all()
    return [one[:, 0], other[:, 0]]


def runs(tones: np.ndarray) -> list[int]:
    """How many pixels have one tone, from the left."""
    return np.diff(np.flatnonzero(np.diff(tones, prepend=-1, append=2))).tolist()


def grouped(n: int) -> Matrix:
    """Two groups of rows by turns, alike within and not between, from two ranks."""
    group = np.arange(n) % 2
    gram = np.where(group[:, None] == group, 0.5, -0.5).astype(np.float32)
    np.fill_diagonal(gram, 1.0)
    rank = np.repeat([0, 1], n // 2).astype(np.int32)
    return Matrix(gram, rank=rank, index=np.arange(n, dtype=np.int32), label=group)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_cells_have_the_colours_of_viridis_on_a_fixed_scale(n: int) -> None:
    gram = np.linspace(-1, 1, n * n, dtype=np.float32).reshape(n, n)

    png = Renderer().png(Matrix(gram), "title")

    for row in range(n):
        for column in range(n):
            expected = VIRIDIS((gram[row, column] + 1) / 2)[:3]
            np.testing.assert_allclose(colour_of(png, n, row, column), expected, atol=0.01)


def test_a_picture_does_not_depend_on_those_before_it() -> None:
    looks = [Look(), Look("cluster", "adaptive", BOTH), Look("label")]
    grams = [RNG.uniform(-1, 1, (n, n)).astype(np.float32) for n in (4, 4, 6)]
    matrices = [replace(grouped(len(gram)), gram=gram) for gram in grams]
    kinds = [(m, look) for look in looks for m in matrices]
    renderer = Renderer()

    pictures = [renderer.png(m, f"step {i}", look) for i, (m, look) in enumerate(kinds)]

    for i, (matrix, look) in list(enumerate(kinds))[1::3]:
        fresh = Renderer().png(matrix, f"step {i}", look)
        np.testing.assert_array_equal(pixels(pictures[i]), pixels(fresh))


@pytest.mark.parametrize("long", [1, 20])
def test_the_title_is_drawn_and_never_cut(long: int) -> None:
    matrix, renderer = Matrix(np.eye(3, dtype=np.float32)), Renderer()

    one, other = (renderer.png(matrix, f"step {i} $x {'word ' * long}") for i in range(2))

    assert (pixels(one)[:45] != pixels(other)[:45]).any()
    assert (pixels(one)[:45, [0, 1, -2, -1]] == 1).all()


def test_the_helper_draws_what_would_be_drawn_here() -> None:
    matrix, look = (
        replace(grouped(6), sample_id=np.array(["x$_"] * 6)),
        Look("cluster", panels=BOTH),
    )
    client = RenderClient(60.0)
    try:
        assert client.png(matrix.npz(), "t") == Renderer().png(matrix, "t")
        assert client.png(matrix.npz(), "t", look) == Renderer().png(matrix, "t", look)
        assert client.png(LARGE, "larger than a pipe holds")
        with pytest.raises(RenderError, match="unreadable"):
            client.png(b"no matrix", "t")
        with pytest.raises(RenderError, match="upside_down"):
            client.png(SMALL, "t", Look("upside_down"))
    finally:
        client.close()


def test_names_of_any_kind_are_drawn(capfd: pytest.CaptureFixture[str]) -> None:
    """In the helper, which says nothing about characters that its font lacks."""
    names = np.array(["a\n\x00b", "$\\frac{$", "\u202e\ud800", "", "界" * 99, "_"])
    matrix, client = replace(grouped(6), sample_id=names, label=names), RenderClient(60.0)
    roles = {name: OfRole(matrix.gram) for name in ("$\\frac{$", "_", "界\n" * 99)}
    try:
        for look in (Look(panels=BOTH), Look("label"), Look("cluster")):
            assert client.png(replace(matrix, role="$", others=roles).npz(), "t $_{$", look)
    finally:
        client.close()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("order", ["cluster", "label"])
def test_rows_that_belong_together_stand_together(order: str) -> None:
    shown = values(Renderer().png(grouped(8), "t", Look(order)), 8)

    blocks = np.kron(np.eye(2), np.ones((4, 4))) > 0
    assert (shown > 0.6)[blocks].all()
    assert (shown < 0.4)[~blocks].all()


def ranked(gram: np.ndarray, ranks: int) -> Matrix:
    rank, index = np.divmod(np.arange(len(gram), dtype=np.int32), -(-len(gram) // ranks))
    return Matrix(gram.astype(np.float32), rank=rank, index=index)


def any_matrix(kind: str, n: int) -> np.ndarray:
    checks = np.indices((n, n)).sum(axis=0) % 2 * 2.0 - 1
    noise = np.random.default_rng(0).uniform(-1, 1, (n, n))
    uniform = {"dark": -1.0, "green": 0.0, "bright": 1.0}
    return (
        np.full((n, n), uniform[kind]) if kind in uniform else {"checks": checks}.get(kind, noise)
    )


KINDS = ["bright", "checks", "dark", "green", "noise"]


@pytest.mark.parametrize("n", [8, 128, 512, 1200])
def test_ranks_have_lines_between_them_on_any_matrix(n: int) -> None:
    """A white one beside a black one, in pixels that no row has."""
    renderer = Renderer()
    for kind in KINDS:
        png = renderer.png(ranked(any_matrix(kind, n), 4), "t")

        side = len(heatmap(png))
        of_rank, left = divmod(side - 6, 4)
        assert left == 0
        expected = [i * (of_rank + 2) - back for i in (1, 2, 3) for back in (2, 1)]
        assert lines(png) == [expected, expected]
        for line in expected[::2]:
            pair = heatmap(png)[2 : of_rank - 2, line : line + 2]
            assert (pair == [[1.0] * 3, [0.0] * 3]).all()


@pytest.mark.parametrize(("n", "ranks"), [(64, 64), (128, 64), (700, 100), (1200, 300)])
def test_of_ranks_too_narrow_for_lines_strips_tell(n: int, ranks: int) -> None:
    """Dark and light by turns, above the matrix and at its right."""
    renderer = Renderer()
    for kind in KINDS:
        png = renderer.png(ranked(any_matrix(kind, n), ranks), "t")

        assert lines(png) == [[], []]
        for tones in strips(png):
            assert np.abs(np.diff(tones)).max() > 0.6
            assert runs(tones) == [len(tones) // ranks] * ranks

    alone = renderer.png(Matrix(any_matrix("dark", n).astype(np.float32)), "t")
    assert all((tones == 1).all() for tones in strips(alone))


def test_views_within_a_rank_have_thinner_lines() -> None:
    view, renderer = np.array([0, 0, 1, 1] * 2, np.int32), Renderer()
    for kind in KINDS:
        png = renderer.png(replace(ranked(any_matrix(kind, 8), 2), view=view), "t")

        across, down = lines(png)
        assert np.diff(across).tolist() == [113, 1, 113] == np.diff(down).tolist()
        assert is_black(heatmap(png)[:, across[0]]).mean() == pytest.approx(0.5, abs=0.05)


def test_views_too_narrow_for_lines_are_told_by_strips() -> None:
    view = np.tile(np.repeat(np.arange(2, dtype=np.int32), 4), 16)

    png = Renderer().png(replace(ranked(any_matrix("noise", 128), 16), view=view), "t")

    assert len(lines(png)[0]) == 2 * 15
    for tones in strips(png):
        assert len(set(tones)) == 4
        assert len(runs(tones)) == 32


@pytest.mark.parametrize(
    ("n", "look"),
    [
        *((n, Look()) for n in (3, 64, 100, 128, 143, 300, 1024)),
        *((512, Look(order, panels=("histogram",))) for order in ("cluster", "label", "rank")),
    ],
)
def test_each_entry_has_the_same_whole_number_of_pixels(n: int, look: Look) -> None:
    matrix = grouped(n)
    gram = np.random.default_rng(0).uniform(-1, 1, (n, n)).astype(np.float32)

    png = Renderer().png(Matrix(gram, label=matrix.label), "t", look)

    shown = heatmap(png)
    for axis, found in enumerate(lines(png)):
        shown = np.delete(shown, found, axis)
    pixels_each, left = divmod(len(shown), n)
    assert left == 0
    assert 300 < len(shown) <= 1024
    order = row_order(look.order, gram, matrix.label)
    expected = VIRIDIS((gram[order][:, order] + 1) / 2)[..., :3]
    for axis in (0, 1):
        expected = expected.repeat(pixels_each, axis=axis)
    np.testing.assert_allclose(shown, expected, atol=0.03)  # or the next class, by rounding


@pytest.mark.parametrize(
    ("n", "ranks", "roles", "color_range"),
    [
        (200, 1, 1, "fixed"),
        (443, 4, 1, "adaptive"),
        (512, 1, 1, "fixed"),
        (700, 4, 2, "adaptive"),
        (700, 100, 1, "fixed"),
        (1401, 4, 1, "fixed"),
        (4096, 4, 1, "fixed"),
    ],
)
def test_an_odd_row_leaves_a_cross_and_changes_nothing_else(
    n: int, ranks: int, roles: int, color_range: str
) -> None:
    """Also the first and the last one, and those on both sides of a line."""
    gram = np.random.default_rng(0).uniform(-0.3, 0.3, (n, n)).astype(np.float32)
    gram[5, 6] = -0.95  # all pictures have the same range
    renderer = Renderer()

    def shown(gram: np.ndarray) -> np.ndarray:
        others = {str(i): OfRole(gram) for i in range(1, roles)}
        matrix = replace(ranked(gram, ranks), role="0" if others else None, others=others)
        png = renderer.png(matrix, "t", Look(color_range=color_range))
        return heatmap(png, place=roles - 1)

    untouched = shown(gram)
    for odd in (0, n // 4 - 1, n // 4, n - 1):
        marked = gram.copy()
        marked[odd] = marked[:, odd] = -0.9
        changed = np.abs(shown(marked) - untouched).sum(axis=-1)
        down, across = (np.flatnonzero((changed > 0.1).mean(axis=i) > 0.9) for i in (1, 0))
        assert down.tolist() == across.tolist() == list(range(down[0], down[-1] + 1))
        assert abs(down.mean() / len(changed) - odd / n) < 0.02
        changed[down] = changed[:, down] = 0
        assert not changed.any()


@pytest.mark.parametrize(
    ("n", "size"), [(1, 456), (64, 456), (128, 456), (143, 456), (512, 544), (1024, 1088)]
)
def test_the_size_of_a_picture_depends_on_the_number_of_rows_alone(n: int, size: int) -> None:
    gram, renderer = np.eye(n, dtype=np.float32), Renderer()

    pictures = [renderer.png(ranked(gram, ranks), "t") for ranks in (1, min(n, 8), min(n, 64))]

    assert {pixels(png).shape for png in pictures} == {(size + 84, size + 184, 3)}


@pytest.mark.parametrize(("low", "high"), [(0.9, 0.98), (-0.2, 0.1)])
def test_adaptive_colours_span_what_is_off_the_diagonal(low: float, high: float) -> None:
    gram = np.linspace(low, high, 25, dtype=np.float32).reshape(5, 5)
    gram[0, 1], gram[3, 4] = low, high
    np.fill_diagonal(gram, 1.0)

    shown = values(Renderer().png(Matrix(gram), "t", Look(color_range="adaptive")), 5)

    np.testing.assert_allclose(shown, ((gram - low) / (high - low)).clip(0, 1), atol=0.02)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_matrices_of_one_value_are_drawn_in_every_way(n: int) -> None:
    sample, renderer = np.zeros(n, np.int32), Renderer()
    rows = Matrix(np.ones((n, n)), sample=sample, view=sample, spectrum=np.zeros(n, np.float32))

    for similar in (-1.0, 0.3, 1.0):
        matrix = replace(rows, gram=np.full((n, n), similar, np.float32))
        shown = values(renderer.png(matrix, "t", Look("cluster", "adaptive", BOTH)), n)
        assert (shown == shown[0, 0]).all()


@pytest.mark.parametrize("panels", [("histogram",), ("spectrum",), BOTH])
def test_panels_stand_beside_a_heatmap_that_stays_as_it_is(panels: tuple[str, ...]) -> None:
    plain = Renderer().png(grouped(6), "t")

    png = Renderer().png(
        replace(grouped(6), spectrum=np.ones(6, np.float32)), "t", Look(panels=panels)
    )

    assert pixels(png).shape == (540, 640 + 480, 3)
    np.testing.assert_array_equal(pixels(png)[:, :640], pixels(plain))
    assert len(np.unique(pixels(png)[:, 640:].reshape(-1, 3), axis=0)) > 20


def test_views_of_a_sample_are_told_from_other_pairs() -> None:
    """The orange of the one is there with views alone, where they are similar."""
    matrix = replace(grouped(8), view=np.arange(8, dtype=np.int32) // 2)
    look = Look(panels=("histogram",))

    with_views = replace(matrix, sample=np.arange(8, dtype=np.int32) % 2)
    found = [
        np.abs(pixels(Renderer().png(m, "t", look))[:, 724:] - (1.0, 0.498, 0.055)).sum(-1) < 0.1
        for m in (matrix, with_views)
    ]

    assert not found[0].any()
    columns = np.flatnonzero(found[1][150:480].any(axis=0)) / 374
    assert abs(np.median(columns) - 0.75) < 0.03  # a similarity of 0.5 on a scale from -1 to 1


@pytest.mark.parametrize(("roles", "size"), [(2, (564, 1114)), (4, (1044, 1114))])
def test_roles_are_shown_beside_each_other_in_one_order(roles: int, size: tuple[int, int]) -> None:
    matrix = grouped(8)
    others = {f"_{i}$": OfRole(-matrix.gram if i == 1 else matrix.gram) for i in range(1, roles)}

    png = Renderer().png(replace(matrix, role="head", others=others), "t", Look("cluster"))

    assert pixels(png).shape[:2] == size
    first = [colour_of(png, 8, row, 0.1, place=0) for row in (3, 6)]
    second = [colour_of(png, 8, row, 0.1, place=1) for row in (6, 3)]
    np.testing.assert_allclose(first, second, atol=0.02)
    assert np.abs(first[0] - first[1]).max() > 0.3


def test_ticks_name_real_rows_by_the_best_name_there_is() -> None:
    def ticks(matrix: Matrix, kind: str = "rank") -> tuple[str, list[str]]:
        rows = rows_of(matrix, row_order(kind, matrix.gram, matrix.label), kind)
        return rows.what, [tick.name for tick in rows.ticks]

    matrix = Matrix(np.eye(100, dtype=np.float32), index=np.arange(0, 300, 3, dtype=np.int32))
    rank = np.repeat([0, 1], 50).astype(np.int32)
    ids = np.array([f"/data/sub-{i:04d}/scan.nii" for i in range(100)])

    assert ticks(matrix) == ("index in the batch", ["0", "45", "90", "135", "180", "225", "270"])
    assert ticks(replace(matrix, rank=rank))[0] == "rank · index in the batch"
    assert ticks(replace(matrix, rank=rank))[1][:3] == ["0·0", "1·150", "0·45"]
    assert ticks(replace(matrix, sample_id=ids))[0] == "sample id"
    assert ticks(replace(matrix, sample_id=ids))[1][:2] == ["…0000…", "…0015…"]
    assert ticks(replace(matrix, label=rank), "label") == ("label", ["0", "1"])
    assert ticks(matrix, "cluster")[0] == "index in the batch, clustered"
    assert ticks(Matrix(matrix.gram)) == ("row", ["0", "15", "30", "45", "60", "75", "90"])


def test_rows_without_a_label_come_last() -> None:
    gram = np.eye(5, dtype=np.float32)

    assert row_order("label", gram, np.array([2, -1, 0, 2, 0])).tolist() == [2, 4, 0, 3, 1]
    assert row_order("label", gram, np.array(["b", "", "a", "b", "a"])).tolist() == [2, 4, 0, 3, 1]
    assert row_order("label", gram).tolist() == [0, 1, 2, 3, 4]


def test_a_killed_helper_is_restarted_as_often_as_it_has_drawn() -> None:
    client = RenderClient(60.0)
    for _ in range(3):
        assert client.png(SMALL, "t")
        assert client.pid is not None
        os.kill(client.pid, signal.SIGKILL)

    assert client.png(SMALL, "t")
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
            client.png(SMALL, "t")
        said.append(str(failure.value).partition(",")[0].partition(":")[0])

    assert [text for text, _ in itertools.groupby(said)] == [
        "the renderer died",
        "the renderer is gone",
    ]


def test_a_helper_that_hangs_costs_the_timeout() -> None:
    client = RenderClient(60.0)
    client.png(SMALL, "t")
    assert client.pid is not None
    os.kill(client.pid, signal.SIGSTOP)
    client.timeout_s = 0.3

    with pytest.raises(RenderError, match=r"no picture within 0\.3 s"):
        client.png(LARGE, "t")
    client.timeout_s = 60.0
    assert client.png(SMALL, "t")
    client.close()


def test_a_helper_that_cannot_start_is_an_error_of_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    with pytest.raises(RenderError, match="could not be started"):
        RenderClient(1.0).png(SMALL, "t")


def test_closing_ends_the_process() -> None:
    client = RenderClient(60.0)
    client.png(SMALL, "t")
    pid = client.pid
    assert pid is not None

    client.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RenderError, match="it was closed"):  # and no other is started
        client.png(SMALL, "t")
