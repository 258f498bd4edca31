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


def colour_of(png: bytes, n: int, row: float, column: float, place: int = 0) -> np.ndarray:
    """The colour in the middle of one cell of a matrix; of the second one, stands at the right."""
    image = pixels(png)
    left, above, width, height = 67.2 + place * (460.8 + 18), 45.9 + 24 * (place > 0), 460.8, 442.8
    x, y = left + width * (column + 0.5) / n, above + height * (row + 0.5) / n
    return image[int(y), int(x)]


def values(png: bytes, n: int) -> np.ndarray:
    """What the colours of a matrix say, from 0 to 1."""
    cells = np.array([[colour_of(png, n, i, j) for j in range(n)] for i in range(n)])
    table = VIRIDIS(np.arange(256))[:, :3]
    return np.abs(cells[..., None, :] - table).sum(-1).argmin(-1) / 255


def contrast(png: bytes, border: int) -> np.ndarray:
    """How much lighter or darker a column's left border, of 8, is than the matrix beside it."""
    light, at = pixels(png)[46:223] @ (0.2126, 0.7152, 0.0722), round(67.2 + 460.8 * border / 8)
    return np.abs(light[:, at - 2 : at + 2] - light[:, at + 20 : at + 21]).max(axis=1)


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


@pytest.mark.parametrize("similar", [-1.0, 0.0, 1.0])
def test_borders_of_ranks_are_seen_on_any_matrix(similar: float) -> None:
    matrix = replace(grouped(8), gram=np.full((8, 8), similar, np.float32))

    png = Renderer().png(matrix, "t")

    assert (contrast(png, 4) > 0.4).mean() > 0.3
    assert contrast(png, 6).max() == 0


def test_views_within_a_rank_have_fainter_borders() -> None:
    view = np.array([0, 0, 1, 1] * 2, np.int32)
    gram = np.ones((8, 8), np.float32)

    png = Renderer().png(replace(grouped(8), gram=gram, view=view), "t")

    assert contrast(png, 4).mean() > 1.5 * contrast(png, 2).mean() > 0.2


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


@pytest.mark.parametrize(("roles", "size"), [(2, (564, 1118)), (4, (1030, 1118))])
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

    assert ticks(matrix) == ("sample index", ["0", "45", "90", "135", "180", "225", "270"])
    assert ticks(replace(matrix, rank=rank))[0] == "rank · index"
    assert ticks(replace(matrix, rank=rank))[1][:3] == ["0·0", "1·150", "0·45"]
    assert ticks(replace(matrix, sample_id=ids))[0] == "sample id"
    assert ticks(replace(matrix, sample_id=ids))[1][:2] == ["…0000…", "…0015…"]
    assert ticks(replace(matrix, label=rank), "label") == ("label", ["0", "1"])
    assert ticks(matrix, "cluster")[0] == "sample index, clustered"


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
