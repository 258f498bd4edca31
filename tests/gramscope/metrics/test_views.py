"""What views have in common, against textbook formulas, simulated signals and hostile numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from torch import Tensor

from gramscope.metrics import (
    lidar,
    linear_cka,
    shared_rank,
    shared_rank_parts,
    view_cka,
    view_correlation,
    view_correlation_z,
)
from tests.gramscope.metrics.samples import Array, array, digits, noise, noises, one_point
from tests.gramscope.metrics.test_kernels import dependence

Pair = Callable[[Tensor, Tensor], float]

PAIRS: list[Pair] = [view_correlation, view_correlation_z, view_cka, shared_rank]


def related(n: int, d: int, *, signal: float = 1.0) -> tuple[Tensor, Tensor]:
    """Two views of the same samples, with noise of their own."""
    common = signal * noise(n, d, seed=10)
    return common + noise(n, d, seed=11) + 3, common + noise(n, d, seed=12) - 1


VIEWS = {
    "wide": related(12, 40),
    "tall": related(50, 6),
    "square": related(16, 16),
    "one column": related(30, 1),
    "four rows": related(4, 3),
    "wider than a block": related(8, 1100),
    "float32": tuple(x.float() for x in related(20, 7)),
    "half": tuple(x.half() for x in related(20, 7)),
    "bfloat16": tuple(x.bfloat16() for x in related(7, 20)),
    "digits": (digits(), digits().roll(1, dims=1)),
}


def intraclass(views: list[Array]) -> float:
    """ICC(3, 1) from mean squares (Shrout & Fleiss, 1979), which are summed over dimensions."""
    data = np.stack(views, axis=1)  # [n, k, D]
    n, k, _ = data.shape
    grand = data.mean(axis=(0, 1))
    rows = k * ((data.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    left = data - data.mean(axis=1)[:, None] - data.mean(axis=0) + grand
    error = (left**2).sum() / ((n - 1) * (k - 1))
    return float((rows - error) / (rows + (k - 1) * error))


def covariances(a: Array, b: Array) -> tuple[Array, Array, Array]:
    d = a.shape[1]
    both = np.cov(a.T, b.T)
    return both[:d, :d], both[:d, d:], both[d:, d:]


@pytest.mark.parametrize("name", VIEWS)
def test_view_correlation_is_the_intraclass_correlation(name: str) -> None:
    a, b = VIEWS[name]

    assert view_correlation(a, b) == pytest.approx(intraclass([array(a), array(b)]))
    assert view_correlation(b, a) == pytest.approx(view_correlation(a, b))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_view_correlation_of_many_views_is_the_intraclass_correlation(count: int) -> None:
    views = list(noise(1, 20, 4) + noise(count, 20, 4, seed=1))

    assert view_correlation(*views) == pytest.approx(intraclass([array(v) for v in views]))


def test_view_correlation_of_one_dimension_is_twice_the_covariance_over_the_variances() -> None:
    a, b = VIEWS["one column"]
    covariance = np.cov(array(a)[:, 0], array(b)[:, 0])

    expected = 2 * covariance[0, 1] / np.trace(covariance)

    assert view_correlation(a, b) == pytest.approx(expected)


def test_view_correlation_of_the_same_of_opposite_and_of_shifted_views() -> None:
    x = digits()

    assert view_correlation(x, x) == pytest.approx(1.0)
    assert view_correlation(x, x + 5) == pytest.approx(1.0)
    assert view_correlation(x, x, x) == pytest.approx(1.0)
    assert view_correlation(x, -x) == pytest.approx(-1.0)
    assert view_correlation(x, 2 * x) == pytest.approx(2 / 2.5)  # lengths count


def test_view_correlation_is_the_share_of_variance_of_the_signal() -> None:
    a, b = related(4000, 8, signal=2.0)

    assert view_correlation(a, b) == pytest.approx(4 / 5, abs=0.01)


@pytest.mark.parametrize(("d", "deviation"), [(1, 0.126), (64, 0.0157)])
def test_view_correlation_of_independent_noise_has_its_null_deviation(
    d: int, deviation: float
) -> None:
    pairs = list(zip(noises(400, 64, d), noises(400, 64, d, seed=1), strict=True))

    values = [view_correlation(a, b) for a, b in pairs]
    scores = [view_correlation_z(a, b) for a, b in pairs]

    assert np.mean(values) == pytest.approx(0.0, abs=0.15 * deviation)
    assert np.std(values) == pytest.approx(deviation, rel=0.1)
    assert np.mean(scores) == pytest.approx(0.0, abs=0.15)
    assert np.std(scores) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", VIEWS)
def test_view_correlation_z_matches_its_formula_in_covariances(name: str) -> None:
    a, b = VIEWS[name]
    aa, ab, bb = covariances(array(a), array(b))
    total = (np.trace(aa) + np.trace(bb)) / 2
    null = math.sqrt(np.trace(aa @ bb) / (len(a) - 1)) / total

    assert view_correlation_z(a, b) == pytest.approx(np.trace(ab) / total / null)


@pytest.mark.parametrize("name", VIEWS)
def test_view_cka_is_the_linear_cka_of_the_views(name: str) -> None:
    a, b = VIEWS[name]

    assert view_cka(a, b) == pytest.approx(linear_cka(a, b), nan_ok=True)


def parts(a: Array, b: Array) -> tuple[float, float]:
    n = len(a)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    t = [n / (n - 1) * float(p @ q) for p, q in zip(a, b, strict=True)]
    return float(np.mean(t) ** 2 - np.var(t, ddof=1) / n), dependence(a, b)


@pytest.mark.parametrize("name", VIEWS)
def test_shared_rank_matches_an_independent_computation(name: str) -> None:
    a, b = VIEWS[name]
    above, below = parts(array(a), array(b))

    assert shared_rank_parts(a, b) == pytest.approx((above, below))
    if view_cka(a, b) >= 0.1:
        assert shared_rank(a, b) == pytest.approx(above / below)
    else:
        assert math.isnan(shared_rank(a, b))


def signals(count: int, directions: int, correlation: float) -> list[tuple[Tensor, Tensor]]:
    """Pairs of views ``[64, 64]`` with as many directions of equal variance in common."""
    frame = torch.linalg.qr(noise(64, directions, seed=3)).Q.T
    common = noises(count, 64, directions) @ frame
    own = math.sqrt(directions * (1 - correlation) / correlation / 64)
    a, b = (common + own * noises(count, 64, 64, seed=seed) for seed in (1, 2))
    return list(zip(a, b, strict=True))


def naive(a: Array, b: Array) -> float:
    _, cross, _ = covariances(a, b)
    cross = (cross + cross.T) / 2
    return float(np.trace(cross) ** 2 / np.trace(cross @ cross))


@pytest.mark.parametrize("correlation", [0.2, 0.3, 0.5, 0.8])
def test_shared_rank_finds_sixteen_directions_where_the_plain_ratio_does_not(
    correlation: float,
) -> None:
    pairs = signals(60, 16, correlation)
    pooled = np.sum([shared_rank_parts(a, b) for a, b in pairs], axis=0)
    each = [shared_rank(a, b) for a, b in pairs]
    plain = 1 / (1 / 16 + (1 / correlation**2 + 1) / (2 * 63))

    assert pooled[0] / pooled[1] == pytest.approx(16, rel=0.08)
    assert 13.7 < np.nanmedian(each) < 17
    assert np.median([naive(array(a), array(b)) for a, b in pairs]) == pytest.approx(plain, rel=0.1)


@pytest.mark.parametrize("directions", [1, 2, 4])
def test_shared_rank_counts_a_few_directions(directions: int) -> None:
    values = [shared_rank(a, b) for a, b in signals(40, directions, 0.6)]

    assert np.median(values) == pytest.approx(directions, rel=0.15)


def test_shared_rank_that_is_not_resolved_is_not_a_number_but_its_parts_can_be_pooled() -> None:
    pairs = signals(150, 16, 0.09)

    unresolved = [math.isnan(shared_rank(a, b)) for a, b in pairs]
    pooled = np.sum([shared_rank_parts(a, b) for a, b in pairs], axis=0)

    assert unresolved == [view_cka(a, b) < 0.1 for a, b in pairs]
    assert np.mean(unresolved) > 0.8
    assert pooled[0] / pooled[1] == pytest.approx(16, rel=0.3)


def test_numbers_of_independent_views_say_that_nothing_is_shared() -> None:
    a, b = noise(64, 64), noise(64, 64, seed=1)

    assert abs(view_correlation(a, b)) < 0.05
    assert abs(view_correlation_z(a, b)) < 3
    assert abs(view_cka(a, b)) < 0.1
    assert math.isnan(shared_rank(a, b))


@pytest.mark.parametrize("d", [1, 5])
@pytest.mark.parametrize(
    ("number", "least"),
    [(view_correlation, 2), (view_correlation_z, 2), (view_cka, 4), (shared_rank, 4)],
)
def test_numbers_of_too_few_samples_are_not_a_number(number: Pair, least: int, d: int) -> None:
    for n in range(least):
        a, b = related(n, d)
        assert math.isnan(number(a, b))
    if number is not shared_rank:
        assert math.isfinite(number(*related(least, d)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(33, 5), (5, 33), (64, 64)])
@pytest.mark.parametrize("number", PAIRS)
def test_numbers_of_views_without_variance_are_not_a_number(
    number: Pair, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    x = one_point(*shape, dtype)

    assert math.isnan(number(x, x))
    assert math.isnan(number(x, 2 * x))
    assert math.isnan(number(torch.zeros(shape), torch.zeros(shape)))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("number", PAIRS)
def test_numbers_of_views_with_nan_or_inf_are_not_a_number(number: Pair, bad: float) -> None:
    a, b = related(8, 5)
    a[2, 3] = bad

    assert math.isnan(number(a, b))
    assert math.isnan(number(b, a))


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
@pytest.mark.parametrize("number", PAIRS)
def test_numbers_of_views_ignore_scale(number: Pair, scale: float) -> None:
    a, b = (x.float() for x in related(24, 9))

    assert number(a * scale, b * scale) == pytest.approx(number(a, b), rel=1e-4)


@pytest.mark.parametrize("number", PAIRS)
def test_numbers_of_views_ignore_order_and_rotation_of_both(number: Pair) -> None:
    a, b = related(24, 9)
    turn = torch.linalg.qr(noise(9, 9)).Q

    assert number(a.flip(0) @ turn, b.flip(0) @ turn) == pytest.approx(number(a, b))
    assert number(a, b.flip(0)) != pytest.approx(number(a, b), rel=0.1)


@pytest.mark.parametrize("number", [*PAIRS, shared_rank_parts])
@pytest.mark.parametrize("other", [noise(4, 3), noise(5, 4), noise(5), noise(5, 3).int()], ids=str)
def test_numbers_want_views_of_one_shape(number: Pair, other: Tensor) -> None:
    with pytest.raises(ValueError, match=r"but got shape"):
        number(noise(5, 3), other)


def test_view_correlation_wants_two_views_or_more() -> None:
    with pytest.raises(ValueError, match="Expected two views of the samples or more, but got 1"):
        view_correlation(noise(5, 3))
    with pytest.raises(ValueError, match=r"shapes \[5, 3\] and \[4, 3\]"):
        view_correlation(noise(5, 3), noise(5, 3), noise(4, 3))


def discriminant_rank(views: Array, delta: float = 1e-4) -> float:
    """Scatter matrices sample by sample, and a matrix square root (Thilak et al. 2024)."""
    n, count, d = views.shape
    means = views.mean(axis=1)
    grand = means.mean(axis=0)
    between, within = np.zeros((d, d)), np.zeros((d, d))
    for sample, mean in zip(views, means, strict=True):
        between += np.outer(mean - grand, mean - grand) / (n - 1)
        for view in sample:
            within += np.outer(view - mean, view - mean) / (n * (count - 1))
    root = np.linalg.inv(scipy.linalg.sqrtm(within + delta * np.eye(d)).real)
    return math.exp(scipy.stats.entropy(np.linalg.eigvalsh(root @ between @ root).clip(0)))


@pytest.mark.parametrize("shape", [(12, 3, 5), (6, 2, 30), (5, 4, 20), (20, 2, 1), (2, 2, 3)])
@pytest.mark.parametrize("delta", [1e-4, 0.1])
def test_lidar_matches_the_textbook(shape: tuple[int, int, int], delta: float) -> None:
    n, _, d = shape
    views = noise(n, 1, d) + 0.5 * noise(*shape, seed=1) + 2

    assert lidar(views, delta) == pytest.approx(discriminant_rank(array(views), delta), rel=1e-6)


def test_lidar_of_digits_matches_the_textbook() -> None:
    views = torch.stack([digits(60), digits(60).roll(1, 1), digits(60).roll(8, 1)], dim=1)

    assert lidar(views) == pytest.approx(discriminant_rank(array(views)), rel=1e-6)


def test_lidar_of_noise_is_high_as_published() -> None:
    assert lidar(noise(64, 2, 300)) == pytest.approx(55, abs=1)


def test_lidar_of_few_shared_directions_is_lower_than_that_of_noise() -> None:
    common = noise(64, 1, 4) @ noise(4, 300, seed=1)

    assert lidar(common + noise(64, 2, 300, seed=2)) < 10


@pytest.mark.parametrize("n", [2, 3, 6])
def test_lidar_of_views_that_are_the_same_counts_how_samples_differ(n: int) -> None:
    corners = torch.eye(n, dtype=torch.float64)[:, None].expand(n, 3, n)

    assert lidar(corners) == pytest.approx(n - 1)


def test_lidar_needs_to_know_which_rows_are_views() -> None:
    views = noise(30, 1, 4) @ noise(4, 20, seed=1) + 0.1 * noise(30, 3, 20, seed=2)

    assert lidar(views.flip(1)) == pytest.approx(lidar(views))
    assert lidar(views.flip(0)) == pytest.approx(lidar(views))
    mixed = views.transpose(0, 1).reshape(30, 3, 20)  # consecutive rows
    assert lidar(mixed) > 2 * lidar(views)


def test_lidar_changes_with_scale_because_delta_does_not() -> None:
    views = noise(64, 1, 8) @ noise(8, 100, seed=1) + noise(64, 2, 100, seed=2)

    assert lidar(views * 0.01, 1e-8) == pytest.approx(lidar(views, 1e-4), rel=1e-6)
    assert lidar(views * 0.001) > 1.1 * lidar(views)


@pytest.mark.parametrize("shape", [(0, 2, 3), (1, 2, 3), (5, 1, 3), (5, 0, 3)])
def test_lidar_of_too_few_is_not_a_number(shape: tuple[int, int, int]) -> None:
    assert math.isnan(lidar(noise(*shape)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "d"), [(32, 768), (33, 5), (7, 3), (4, 1)])
def test_lidar_of_samples_that_are_one_point_is_zero(n: int, d: int, dtype: torch.dtype) -> None:
    views = one_point(2 * n, d, dtype).reshape(n, 2, d)

    assert lidar(views) == 0.0
    assert lidar(views.double() * (1 + 1e-6 * noise(n, 2, d))) == 0.0
    assert lidar(torch.zeros(n, 2, d)) == 0.0


@pytest.mark.parametrize("d", [3, 100])
def test_lidar_of_samples_that_do_not_differ_but_for_their_views_is_zero(d: int) -> None:
    assert lidar(noise(1, 4, d).repeat(10, 1, 1) + 0.3) == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("shape", [(8, 2, 3), (3, 2, 40)])
def test_lidar_of_views_with_nan_or_inf_is_not_a_number(
    shape: tuple[int, int, int], bad: float
) -> None:
    views = noise(*shape)
    views[1, 1, 2] = bad

    assert math.isnan(lidar(views))


@pytest.mark.parametrize("shape", [(8, 2, 12), (8, 2, 50)])
def test_lidar_of_large_and_of_tiny_features_stays_within_its_range(
    shape: tuple[int, int, int],
) -> None:
    views = noise(*shape)

    for scale in (1e-30, 1e-6, 1e6, 1e8, 1e30):
        assert 1 <= lidar(views * scale) <= 7
    assert math.isnan(lidar(views * 1e200))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_numbers_of_views_of_lower_precision_are_those_of_the_same_numbers(
    dtype: torch.dtype,
) -> None:
    a, b = (x.to(dtype) for x in related(20, 7))
    views = torch.stack([a, b], dim=1)

    for number in PAIRS:
        assert number(a, b) == number(a.double(), b.double())
    assert lidar(views) == lidar(views.double())


@pytest.mark.parametrize("bad", [noise(5, 3), noise(5), torch.ones(5, 2, 3).int()], ids=str)
def test_lidar_names_what_is_wrong_with_its_argument(bad: Tensor) -> None:
    with pytest.raises(ValueError, match=r"Expected `views` .* \[n, V, D\] tensor, but got shape"):
        lidar(bad)
