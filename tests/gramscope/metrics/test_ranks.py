"""Numbers of a spectrum against other ways to compute them, closed forms and hostile numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor

from gramscope.metrics import (
    Spectrum,
    alpha_req,
    cev_auc,
    effective_rank,
    nesum,
    participation_ratio,
    power_law,
    rankme,
    singular_values,
    spectrum,
    stable_rank,
)
from tests.gramscope.metrics.samples import (
    FEATURES,
    WRONG_SHAPES,
    Array,
    array,
    digits,
    noise,
    noises,
    one_point,
    with_spectrum,
)

Rank = Callable[[Tensor | Spectrum], float]

RANKS: list[Rank] = [effective_rank, rankme, stable_rank, participation_ratio]
ALL: list[Rank] = [*RANKS, cev_auc, alpha_req]
CENTRED = [f for f in ALL if f is not rankme]
NAN = math.nan
ONE_POINT: dict[Rank, float] = {cev_auc: 1.0, alpha_req: NAN}


def decomposed(x: Array, *, centred: bool = True) -> Array:
    x = x - x.mean(axis=0) if centred else x
    return np.linalg.svd(x, compute_uv=False).astype(np.float64)


def exp_entropy(x: Array) -> float:
    return math.exp(scipy.stats.entropy(decomposed(x)))


def exp_entropy_uncentred(x: Array) -> float:
    s = decomposed(x, centred=False)
    p = s / np.abs(s).sum() + 1e-7
    return math.exp(-np.sum(p * np.log(p)))


def norms(x: Array) -> float:
    x = x - x.mean(axis=0)
    return float(np.linalg.norm(x, "fro") / np.linalg.norm(x, 2)) ** 2


def traces(x: Array) -> float:
    c = np.atleast_2d(np.cov(x.T))
    return float(np.trace(c) ** 2 / np.trace(c @ c))


def area(x: Array) -> float:
    s = decomposed(x)
    return float(np.mean([s[: k + 1].sum() / s.sum() for k in range(len(s))]))


INDEPENDENT: dict[Rank, Callable[[Array], float]] = {
    effective_rank: exp_entropy,
    rankme: exp_entropy_uncentred,
    stable_rank: norms,
    participation_ratio: traces,
    cev_auc: area,
}


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("rank", INDEPENDENT)
def test_a_rank_matches_an_independent_computation(rank: Rank, name: str) -> None:
    x = FEATURES[name]

    assert rank(x) == pytest.approx(INDEPENDENT[rank](array(x)), rel=1e-5)


@pytest.mark.parametrize("shape", [(512, 80), (80, 512), (60, 60)])
@pytest.mark.parametrize(("first", "last"), [(6, 50), (1, 12), (12, 50)])
def test_power_law_matches_a_weighted_polynomial_fit(
    shape: tuple[int, int], first: int, last: int
) -> None:
    x = noise(*shape) * torch.linspace(1.0, 3.0, shape[1])
    eigenvalues = np.linalg.eigvalsh(np.cov(array(x).T))[::-1][first - 1 : last]
    ranks = np.arange(first, last + 1)
    slope, start = np.polyfit(np.log(ranks), np.log(eigenvalues), 1, w=ranks**-0.5)
    left = np.log(eigenvalues) - start - slope * np.log(ranks)
    mean = np.average(np.log(eigenvalues), weights=1 / ranks)
    r2 = 1 - (left**2 / ranks).sum() / ((np.log(eigenvalues) - mean) ** 2 / ranks).sum()

    fit = power_law(x, first, last)

    assert (fit.alpha, fit.r2) == pytest.approx((-slope, r2), rel=1e-6)
    assert (fit.first, fit.last) == (first, last)
    if (first, last) == (6, 50):
        assert alpha_req(x) == fit.alpha


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 3.0])
def test_alpha_req_of_an_exact_power_law_is_its_exponent(alpha: float) -> None:
    x = with_spectrum([i ** (-alpha / 2) for i in range(1, 61)], 100, 70)

    fit = power_law(x)

    assert alpha_req(x) == pytest.approx(alpha, abs=1e-6)
    assert alpha == 0 or fit.r2 == pytest.approx(1.0, abs=1e-6)
    assert (fit.first, fit.last) == (6, 50)


def test_alpha_req_of_digits_is_that_of_their_principal_components() -> None:
    from sklearn.decomposition import PCA

    variances = PCA().fit(array(digits())).explained_variance_[5:50]
    ranks = np.arange(6, 51)

    slope = np.polyfit(np.log(ranks), np.log(variances), 1, w=ranks**-0.5)[0]

    assert alpha_req(digits()) == pytest.approx(-slope, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rank", [1, 3, 7, 12])
def test_power_law_leaves_out_eigenvalues_that_are_rounding(rank: int, dtype: torch.dtype) -> None:
    x = (noise(200, rank) @ noise(rank, 64, seed=1)).to(dtype)

    fit = power_law(x)

    assert fit.last == max(rank, 5)
    assert math.isnan(fit.alpha) is math.isnan(alpha_req(x)) is (rank < 8)
    if rank == 12:
        assert 0 < fit.alpha < 5


def test_ranks_of_a_known_spectrum() -> None:
    x = with_spectrum([2.0, 1.0, 1.0], 10, 3)

    assert singular_values(x).tolist() == pytest.approx([2.0, 1.0, 1.0])
    assert effective_rank(x) == pytest.approx(2**1.5)  # shares 1/2, 1/4, 1/4
    assert rankme(x) == pytest.approx(2**1.5, rel=1e-5)
    assert stable_rank(x) == pytest.approx(6 / 4)
    assert participation_ratio(x) == pytest.approx(36 / 18)
    assert cev_auc(x) == pytest.approx((2 + 3 + 4) / 4 / 3)


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("rank", RANKS)
def test_a_rank_counts_directions_of_equal_variance(rank: Rank, k: int) -> None:
    assert rank(with_spectrum([3.0] * k, 12, 9)) == pytest.approx(k, rel=2e-5)
    assert rank(with_spectrum([3.0] * k, 9, 12)) == pytest.approx(k, rel=2e-5)


@pytest.mark.parametrize("k", [1, 4, 7])
def test_cev_auc_of_an_isotropic_spectrum_is_half_and_of_a_line_one(k: int) -> None:
    assert cev_auc(with_spectrum([1.0] * k, 20, k)) == pytest.approx((k + 1) / (2 * k))
    assert cev_auc(noise(20, 1) @ noise(1, k)) == pytest.approx(1.0, abs=1e-6)


def test_ranks_of_white_noise_are_the_published_ones() -> None:
    x = spectrum(noise(40, 768))

    assert effective_rank(x) == pytest.approx(38.7, abs=0.06)
    assert participation_ratio(x) == pytest.approx((39 * 768 + 2) / (39 + 768 + 1), abs=0.3)
    assert stable_rank(x) == pytest.approx(27, abs=1.5)
    assert cev_auc(x) == pytest.approx(0.56, abs=0.005)


def test_ranks_of_more_white_noise_are_the_published_ones() -> None:
    x = spectrum(noise(512, 768))

    assert effective_rank(x) == pytest.approx(457, abs=1)
    assert cev_auc(x) == pytest.approx(0.635, abs=0.002)


def test_participation_ratio_of_white_noise_is_its_expectation_on_average() -> None:
    n, d = 19, 10

    mean = np.mean([participation_ratio(x) for x in noises(300, n + 1, d)])

    assert mean == pytest.approx((n * d + 2) / (n + d + 1), abs=0.1)


@pytest.mark.parametrize(
    ("n", "d", "low", "high"), [(40, 768, 0.1, 0.4), (512, 768, 0.1, 0.4), (64, 64, 1.0, 1.3)]
)
def test_alpha_req_of_white_noise(n: int, d: int, low: float, high: float) -> None:
    assert low < alpha_req(noise(n, d)) < high


def test_rankme_of_a_large_gaussian_exceeds_the_exact_value_as_published() -> None:
    x = spectrum(noise(4096, 2048, dtype=torch.float32), centred=False)

    assert rankme(x) == pytest.approx(1899, abs=1)
    assert math.exp(scipy.stats.entropy(x.values.numpy())) == pytest.approx(1896, abs=1)


def test_a_mean_that_all_share_hides_rank_from_rankme_alone() -> None:
    x = noise(1024, 256)

    assert rankme(x) == pytest.approx(247, abs=0.6)
    assert rankme(x + 5) == pytest.approx(112, abs=1)
    assert effective_rank(x + 5) == pytest.approx(effective_rank(x))


def test_rankme_is_made_of_singular_values_not_of_eigenvalues() -> None:
    x = torch.diag(torch.tensor([3.0, 1.0]))  # shares 3/4 and 1/4, of squares 9/10 and 1/10

    assert rankme(x) == pytest.approx(4 / 3**0.75, rel=1e-5)


def test_nesum_is_the_stable_rank() -> None:
    eigenvalues = spectrum(digits()).eigenvalues

    assert nesum(digits()) == pytest.approx(float(eigenvalues.sum() / eigenvalues.max()))


@pytest.mark.parametrize("d", [1, 5])
@pytest.mark.parametrize(
    ("rank", "none", "one", "two"),
    [
        (effective_rank, NAN, NAN, 1.0),
        (stable_rank, NAN, NAN, 1.0),
        (participation_ratio, NAN, NAN, 1.0),
        (cev_auc, NAN, NAN, 1.0),
        (alpha_req, NAN, NAN, NAN),
    ],
)
def test_ranks_of_a_few_samples(rank: Rank, none: float, one: float, two: float, d: int) -> None:
    actual = [rank(noise(n, d)) for n in (0, 1, 2)]

    assert actual == pytest.approx([none, one, two], nan_ok=True)


def test_rankme_of_a_few_samples() -> None:
    assert math.isnan(rankme(torch.empty(0, 3)))
    assert rankme(noise(1, 3)) == pytest.approx(1.0, abs=1e-5)
    assert rankme(torch.eye(2)) == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize("rank", ALL)
def test_ranks_without_columns_are_not_a_number(rank: Rank) -> None:
    assert math.isnan(rank(torch.empty(5, 0)))


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (3, 1)])
@pytest.mark.parametrize("rank", ALL)
def test_ranks_of_zeros(rank: Rank, shape: tuple[int, int]) -> None:
    expected = ONE_POINT.get(rank, 0.0)

    assert rank(torch.zeros(shape)) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(33, 5), (5, 33), (64, 64), (2, 7)])
@pytest.mark.parametrize("rank", ALL)
def test_ranks_of_rows_that_are_one_point(
    rank: Rank, shape: tuple[int, int], dtype: torch.dtype
) -> None:
    expected = 1.0 if rank is rankme else ONE_POINT.get(rank, 0.0)

    assert rank(one_point(*shape, dtype)) == pytest.approx(expected, nan_ok=True, abs=2e-4)


@pytest.mark.parametrize("rank", [effective_rank, stable_rank, participation_ratio])
def test_a_rank_of_rows_some_of_which_are_zeros_or_alike(rank: Rank) -> None:
    x = noise(12, 6)
    x[3:5] = 0.0
    x[7] = x[8]

    assert rank(x) == pytest.approx(INDEPENDENT[rank](array(x)), rel=1e-5)


def test_effective_rank_is_blind_to_the_scale_of_noise_down_to_one_point() -> None:
    x = noise(40, 768)

    assert effective_rank(1 + 1e-4 * x) == pytest.approx(38.7, abs=0.06)
    assert effective_rank(1 + 1e-6 * x) == 0.0


def test_the_mean_of_float32_rows_invents_no_direction() -> None:
    x = (noise(40, 768) + 1000.0).float()

    assert effective_rank(x) == pytest.approx(exp_entropy(array(x)), rel=1e-6)
    assert effective_rank(x) < 39


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 4), (12, 5), (5, 12)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("rank", ALL)
def test_ranks_of_rows_with_nan_or_inf_are_not_a_number(
    rank: Rank, dtype: torch.dtype, shape: tuple[int, int], bad: float
) -> None:
    x = noise(*shape, dtype=dtype)
    x[-1, -1] = bad

    assert math.isnan(rank(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("rank", ALL)
def test_ranks_of_lower_precision_are_those_of_the_same_numbers(
    rank: Rank, dtype: torch.dtype
) -> None:
    x = noise(30, 20, dtype=dtype)

    assert rank(x) == rank(x.double())


@pytest.mark.parametrize("rank", ALL)
@pytest.mark.parametrize("shape", [(30, 12), (12, 30)])
def test_ranks_ignore_scale(rank: Rank, shape: tuple[int, int]) -> None:
    x = noise(*shape)
    single = [rank(x.float() * scale) for scale in (1e-30, 1e30)]
    double = [rank(x * scale) for scale in (1e-300, 1e-160, 1e-9, 1e9, 1e160, 1e300)]

    assert single == pytest.approx([rank(x)] * 2, rel=1e-4)
    assert double == pytest.approx([rank(x)] * 6, rel=1e-9)


@pytest.mark.parametrize("rank", CENTRED)
def test_ranks_ignore_shift_rotation_and_order(rank: Rank) -> None:
    x = noise(40, 15) * torch.linspace(1, 3, 15)
    turn = torch.linalg.qr(noise(15, 15, seed=3)).Q

    assert rank((x @ turn + 2).flip(0)) == pytest.approx(rank(x))


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("rank", ALL)
def test_a_spectrum_gives_exactly_what_its_features_give(rank: Rank, name: str) -> None:
    x = FEATURES[name]

    given = rank(spectrum(x, centred=rank is not rankme))

    assert given == rank(x) or (math.isnan(given) and math.isnan(rank(x)))


@pytest.mark.parametrize("rank", ALL)
def test_a_spectrum_of_the_other_kind_is_refused(rank: Rank) -> None:
    wrong = spectrum(noise(5, 3), centred=rank is rankme)

    with pytest.raises(ValueError, match=r"Expected `features` to be a (un)?centred spectrum, but"):
        rank(wrong)


@pytest.mark.parametrize("rank", ALL)
@pytest.mark.parametrize("bad", WRONG_SHAPES, ids=str)
def test_ranks_name_what_is_wrong_with_their_argument(rank: Rank, bad: Tensor) -> None:
    with pytest.raises(ValueError, match=r"Expected `features` .* matrix, but got shape"):
        rank(bad)


@pytest.mark.parametrize("name", FEATURES)
def test_ranks_lie_between_one_and_the_ceiling(name: str) -> None:
    x = FEATURES[name]
    s = spectrum(x)

    assert s.ceiling == min(len(x) - 1, x.shape[1])
    for rank in (effective_rank, stable_rank, participation_ratio):
        assert 1 - 1e-9 <= rank(s) <= s.ceiling + 1e-9


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("name", FEATURES)
def test_a_spectrum_holds_the_eigenvalues_of_the_covariance(name: str, centred: bool) -> None:
    x = array(FEATURES[name])
    n, d = x.shape
    moments = np.cov(x.T) if centred else x.T @ x / (n - 1)
    expected = np.linalg.eigvalsh(np.atleast_2d(moments))[::-1]

    s = spectrum(FEATURES[name], centred=centred)

    assert (s.n, s.dim, s.centred, s.flat) == (n, d, centred, False)
    assert s.ceiling == (min(n - 1, d) if centred else min(n, d))
    np.testing.assert_allclose(s.eigenvalues, expected[: s.ceiling], rtol=1e-6, atol=1e-11)
    assert spectrum(s, centred=centred) is s


def test_a_spectrum_of_one_point_is_flat() -> None:
    assert spectrum(one_point(9, 6)).flat
    assert not spectrum(one_point(9, 6), centred=False).flat
    assert spectrum(torch.zeros(9, 6), centred=False).flat
