"""Unit vectors against other ways to compute the same, closed forms and hostile numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.distance import pdist
from sklearn.preprocessing import normalize
from torch import Tensor

from gramscope.metrics import (
    alignment,
    feature_std,
    gram_matrix,
    offdiag_mean,
    spread,
    uniformity,
    uniformity_w2,
    uniformity_w2_floor,
    unit_rows,
)
from tests.gramscope.metrics.samples import (
    FEATURES,
    WRONG_SHAPES,
    Array,
    array,
    digits,
    noise,
    one_point,
)

Number = Callable[[Tensor], float]

NUMBERS: list[Number] = [spread, feature_std, uniformity, uniformity_w2]
ONE_POINT: dict[Number, float] = {
    spread: 0.0,
    feature_std: 0.0,
    uniformity: 0.0,
    uniformity_w2: math.sqrt(2),
}


def simplex(n: int) -> Tensor:
    """``[n, n]``: vertices that are all equally far from one another."""
    return torch.eye(n, dtype=torch.float64) - 1 / n


def variance(z: Array) -> float:
    return 1 - float(np.linalg.norm(z.mean(axis=0))) ** 2


def scaled_std(z: Array) -> float:
    return float(np.mean([column.std() for column in z.T])) * math.sqrt(z.shape[1])


def potential(z: Array) -> float:
    return math.log(np.mean(np.exp(-2 * pdist(z) ** 2)))


def wasserstein(z: Array) -> float:
    """Distance of two Gaussians, whatever their covariances (Olkin & Pukelsheim, 1982)."""
    d = z.shape[1]
    covariance = np.atleast_2d(np.cov(z.T, bias=True))
    eigenvalues, axes = scipy.linalg.eigh(np.eye(d) / d @ covariance)
    cross = axes * np.sqrt(eigenvalues.clip(0)) @ axes.T
    squared = np.sum(z.mean(axis=0) ** 2) + np.trace(covariance + np.eye(d) / d - 2 * cross)
    return math.sqrt(squared)


INDEPENDENT: dict[Number, Callable[[Array], float]] = {
    spread: variance,
    feature_std: scaled_std,
    uniformity: potential,
    uniformity_w2: wasserstein,
}


@pytest.mark.parametrize("name", FEATURES)
def test_unit_rows_match_an_independent_computation(name: str) -> None:
    z = unit_rows(FEATURES[name])

    assert z.dtype == torch.float64
    np.testing.assert_allclose(z, normalize(array(FEATURES[name])), rtol=1e-12)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_matches_an_independent_computation(number: Number, name: str) -> None:
    expected = INDEPENDENT[number](normalize(array(FEATURES[name])))

    assert number(FEATURES[name]) == pytest.approx(expected, rel=2e-6, abs=2e-6)


def test_uniformity_w2_matches_matrix_square_roots() -> None:
    z = normalize(array(noise(60, 8) + 1))
    covariance, target = np.cov(z.T, bias=True), np.eye(8) / 8
    root = scipy.linalg.sqrtm(covariance)
    cross = scipy.linalg.sqrtm(root @ target @ root)
    squared = (z.mean(axis=0) ** 2).sum() + np.trace(covariance + target - 2 * cross)

    assert uniformity_w2(torch.from_numpy(z)) == pytest.approx(math.sqrt(squared), rel=1e-6)


@pytest.mark.parametrize("name", FEATURES)
def test_spread_follows_from_the_mean_similarity(name: str) -> None:
    x = FEATURES[name]
    n = len(x)
    expected = 1 - ((n - 1) * offdiag_mean(gram_matrix(x)) + 1) / n

    assert spread(x) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", FEATURES)
def test_numbers_lie_within_their_ranges(name: str) -> None:
    x = FEATURES[name]
    n = len(x)

    assert 0 <= feature_std(x) ** 2 <= spread(x) + 1e-12 <= 1 + 1e-11
    assert -4 * n / (n - 1) - 1e-6 <= uniformity(x) <= 0
    assert 0 <= uniformity_w2(x) <= math.sqrt(2)


@pytest.mark.parametrize("name", FEATURES)
def test_uniformity_of_a_gram_matrix_is_that_of_its_features(name: str) -> None:
    x = FEATURES[name]

    assert uniformity(x, gram=gram_matrix(x)) == uniformity(x)
    assert uniformity(noise(3, 2), gram=gram_matrix(x)) == uniformity(x)


@pytest.mark.parametrize("n", [2, 3, 10, 64])
def test_uniformity_of_a_simplex_is_the_least_there_is(n: int) -> None:
    assert uniformity(simplex(n)) == pytest.approx(-4 * n / (n - 1), abs=1e-5)
    assert spread(simplex(n)) == pytest.approx(1.0)


@pytest.mark.parametrize(("d", "tolerance"), [(64, 0.15), (768, 0.02)])
def test_uniformity_of_isotropic_features_is_about_minus_four(d: int, tolerance: float) -> None:
    assert uniformity(noise(256, d)) == pytest.approx(-4, abs=tolerance)


def test_uniformity_leaves_out_a_sample_and_itself() -> None:
    x = torch.eye(2)  # the only pair: at a distance of sqrt 2

    assert uniformity(x) == pytest.approx(-4.0)
    assert uniformity(x.repeat(2, 1)) == pytest.approx(math.log((4 * 1 + 8 * math.exp(-4)) / 12))


@pytest.mark.parametrize("n", [2, 5, 9])
def test_uniformity_w2_of_a_centred_simplex_is_the_floor(n: int) -> None:
    simplex = torch.eye(n, dtype=torch.float64) - 1 / n

    assert uniformity_w2(simplex) == pytest.approx(uniformity_w2_floor(n, n), abs=1e-6)
    assert uniformity_w2(noise(n, n)) > uniformity_w2_floor(n, n)
    assert uniformity_w2_floor(9 * n, n) == 0


def test_uniformity_w2_of_white_noise_is_the_published_floor() -> None:
    assert uniformity_w2(noise(128, 768)) == pytest.approx(1.10, abs=0.005)


@pytest.mark.parametrize("d", [1, 3, 16])
def test_uniformity_w2_of_a_perfect_arrangement_is_zero(d: int) -> None:
    axes = torch.eye(d, dtype=torch.float64)

    assert uniformity_w2(torch.cat([axes, -axes])) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 0.1])
def test_spread_of_rows_near_one_point_keeps_its_digits(scale: float) -> None:
    around = torch.tensor([[1.0, scale], [1.0, -scale]], dtype=torch.float64)

    assert spread(around) == pytest.approx(math.sin(math.atan(scale)) ** 2, rel=1e-6)


def test_feature_std_of_isotropic_features_is_one() -> None:
    assert feature_std(noise(2048, 64)) == pytest.approx(1.0, abs=0.01)


def test_feature_std_of_a_generic_line_is_hardly_less() -> None:
    values = [feature_std(torch.stack([line, -line])) for line in noise(50, 256)]

    assert np.mean(values) == pytest.approx(math.sqrt(2 / math.pi), abs=0.01)


@pytest.mark.parametrize("d", [1, 4, 64])
def test_feature_std_of_a_line_along_an_axis_is_small(d: int) -> None:
    axis = torch.zeros(2, d)
    axis[:, 0] = torch.tensor([2.0, -3.0])

    assert feature_std(axis) == pytest.approx(1 / math.sqrt(d))
    assert spread(axis) == pytest.approx(1.0)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_no_sample_and_of_one(number: Number) -> None:
    one = math.nan if number is uniformity else ONE_POINT[number]

    assert math.isnan(number(torch.empty(0, 3)))
    assert number(noise(1, 3)) == pytest.approx(one, nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(33, 5), (5, 33), (64, 64), (2, 1)])
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_rows_that_are_one_point(
    number: Number, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    assert number(one_point(*shape, dtype)) == pytest.approx(ONE_POINT[number], abs=1e-6)


def test_numbers_of_zeros_are_those_of_no_direction_at_all() -> None:
    x = torch.zeros(6, 4)

    assert torch.equal(unit_rows(x), x.double())
    assert (spread(x), feature_std(x)) == (0.0, 0.0)
    assert uniformity(x) == pytest.approx(-4.0)  # similarities of 0
    assert uniformity_w2(x) == pytest.approx(math.sqrt(2))


def test_a_row_of_zeros_stays_one_beside_others() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0], [6.0, 8.0]])

    assert unit_rows(x).tolist() == [[0.6, 0.8], [0.0, 0.0], [0.6, 0.8]]
    assert spread(x) == pytest.approx(1 - (4 / 9) / (2 / 3))  # 1 - ||mean||^2 / mean ||.||^2
    assert uniformity(x) == pytest.approx(math.log((1 + 2 * math.exp(-4)) / 3))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("shape", [(2, 1), (12, 5), (5, 12)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_rows_with_nan_or_inf_are_not_a_number(
    number: Number, dtype: torch.dtype, shape: tuple[int, int], bad: float
) -> None:
    x = noise(*shape, dtype=dtype)
    x[-1, -1] = bad

    assert math.isnan(number(x))
    assert math.isnan(alignment(x, noise(*shape)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_numbers_of_lower_precision_are_those_of_the_same_numbers(dtype: torch.dtype) -> None:
    x, y = noise(20, 30, dtype=dtype), noise(20, 30, seed=1, dtype=dtype)

    assert torch.equal(unit_rows(x), unit_rows(x.double()))
    for number in (spread, feature_std, uniformity_w2):
        assert number(x) == number(x.double())
    assert uniformity(x) == pytest.approx(uniformity(x.double()), abs=1e-6)
    assert alignment(x, y) == alignment(x.double(), y.double())


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_ignore_the_length_of_rows(number: Number) -> None:
    x = noise(20, 6)
    lengths = 10 ** torch.linspace(-30, 30, 20, dtype=torch.float64)[:, None]

    assert number((x * lengths).float()) == pytest.approx(number(x), abs=1e-5)
    for scale in (1e-300, 1e-160, 1e160, 1e300):
        assert number(x * scale) == pytest.approx(number(x), abs=1e-6)


@pytest.mark.parametrize("function", [unit_rows, *NUMBERS])
@pytest.mark.parametrize("bad", [*WRONG_SHAPES, torch.ones(0), torch.ones(0, 2, 2)], ids=str)
def test_numbers_name_what_is_wrong_with_their_argument(
    function: Callable[[Tensor], object], bad: Tensor
) -> None:
    with pytest.raises(ValueError, match=r"Expected `features` .* matrix, but got shape"):
        function(bad)


def test_uniformity_wants_a_square_gram_matrix() -> None:
    with pytest.raises(ValueError, match=r"Expected `gram` to be a square .* shape \[2, 3\]"):
        uniformity(noise(2, 3), gram=torch.ones(2, 3))


@pytest.mark.parametrize("name", FEATURES)
def test_alignment_matches_an_explicit_loop(name: str) -> None:
    a = FEATURES[name]
    b = a.flip(0)
    pairs = zip(array(a), array(b), strict=True)
    expected = np.mean([2 - 2 * p @ q / np.sqrt((p @ p) * (q @ q)) for p, q in pairs])

    assert alignment(a, b) == pytest.approx(expected, abs=1e-7)


def test_alignment_of_the_same_of_opposite_and_of_unrelated_views() -> None:
    x = digits()

    assert alignment(x, 3 * x) == pytest.approx(0.0, abs=1e-12)
    assert alignment(x, -x) == pytest.approx(4.0)
    assert alignment(noise(500, 64), noise(500, 64, seed=1)) == pytest.approx(2.0, abs=0.03)


def test_alignment_of_no_sample_of_one_and_of_zeros() -> None:
    assert math.isnan(alignment(torch.empty(0, 3), torch.empty(0, 3)))
    assert alignment(torch.tensor([[2.0]]), torch.tensor([[-1.0]])) == 4.0
    assert alignment(torch.zeros(2, 3), torch.ones(2, 3)) == pytest.approx(1.0)


@pytest.mark.parametrize("other", [noise(4, 3), noise(3, 4), noise(5), noise(5, 3).int()], ids=str)
def test_alignment_wants_two_views_of_one_shape(other: Tensor) -> None:
    with pytest.raises(ValueError, match=r"but got shape"):
        alignment(noise(5, 3), other)
