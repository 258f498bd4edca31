"""Which rows can be used."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gramscope.metrics import finite_rows, nonfinite_rows
from gramscope.metrics.rows import as_pair, as_square, centred
from tests.gramscope.metrics.samples import FEATURES, WRONG_SHAPES, array, noise, one_point

BAD = [float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rows_with_nan_or_inf_are_told_from_the_rest(dtype: torch.dtype) -> None:
    x = noise(8, 5).to(dtype)
    for row, bad in zip((1, 4, 7), BAD, strict=True):
        x[row, row % 5] = bad

    assert finite_rows(x).tolist() == np.isfinite(array(x)).all(axis=1).tolist()
    assert nonfinite_rows(x) == 3.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rows_whose_squares_overflow_are_finite(dtype: torch.dtype) -> None:
    x = torch.full((3, 4), torch.finfo(dtype).max, dtype=dtype)
    x[1, 2] = float("inf")

    assert finite_rows(x).tolist() == [True, False, True]


@pytest.mark.parametrize(("shape", "rows"), [((0, 3), 0), ((2, 0), 2), ((0, 0), 0)])
def test_rows_without_entries_are_finite(shape: tuple[int, int], rows: int) -> None:
    assert finite_rows(torch.empty(shape)).tolist() == [True] * rows
    assert nonfinite_rows(torch.empty(shape)) == 0.0


@pytest.mark.parametrize("function", [finite_rows, nonfinite_rows])
@pytest.mark.parametrize("bad", WRONG_SHAPES, ids=str)
def test_rows_of_something_else_are_refused(function: object, bad: Tensor) -> None:
    with pytest.raises(ValueError, match=r"Expected `features` .* but got shape"):
        function(bad)  # type: ignore[operator]


@pytest.mark.parametrize("name", FEATURES)
def test_centred_rows_have_no_mean(name: str) -> None:
    x = array(FEATURES[name])

    np.testing.assert_allclose(centred(FEATURES[name]), x - x.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("n", [0, 1, 7, 33])
def test_centred_rows_that_are_the_same_are_exactly_zero(n: int, dtype: torch.dtype) -> None:
    assert torch.equal(centred(one_point(n, 20, dtype)), torch.zeros(n, 20, dtype=torch.float64))


def test_a_pair_has_as_many_rows_and_where_it_matters_columns() -> None:
    a, b = as_pair(noise(3, 4, dtype=torch.float16), noise(3, 2), same_width=False)

    assert (a.dtype, b.dtype) == (torch.float32, torch.float64)
    for x, y, same in ((noise(3, 4), noise(3, 2), True), (noise(3, 4), noise(2, 4), False)):
        with pytest.raises(ValueError, match=r"same samples, but got shapes \[3, 4\] and \[\d, "):
            as_pair(x, y, same_width=same)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 2)])
def test_what_is_no_square_matrix_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected `kernel` to be a square .* but got shape \["):
        as_square(torch.ones(shape), "kernel")
