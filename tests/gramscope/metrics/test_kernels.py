"""Kernels against the definition of their estimators, closed forms and hostile numbers."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor

from gramscope.metrics import gram_distance, gram_matrix, hsic, linear_cka
from gramscope.metrics.kernels import product
from tests.gramscope.metrics.samples import (
    FEATURES,
    Array,
    array,
    digits,
    noise,
    noises,
    one_point,
)

LARGE = [name for name, x in FEATURES.items() if len(x) >= 4]


def statistic(k: Array, m: Array) -> float:
    """Song et al. 2012, eq. 4: the mean over all that four different samples say."""
    terms = [
        k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(len(k)), 4)
    ]
    return float(np.mean(terms))


def u_centred(k: Array) -> Array:
    """Székely & Rizzo 2014, eq. 2.4, of a kernel instead of a distance."""
    n = len(k)
    k = k - np.diag(np.diag(k))
    rows = k.sum(axis=0) / (n - 2)
    centred: Array = k - rows - rows[:, None] + k.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0.0)
    return centred


def dependence(x: Array, y: Array) -> float:
    n = len(x)
    return float((u_centred(x @ x.T) * u_centred(y @ y.T)).sum() / (n * (n - 3)))


def independent_cka(x: Array, y: Array) -> float:
    return dependence(x, y) / math.sqrt(dependence(x, x) * dependence(y, y))


def biased_cka(x: Array, y: Array) -> float:
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    cross = np.linalg.norm(x.T @ y) ** 2
    return float(cross / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


@pytest.mark.parametrize("name", FEATURES)
def test_a_product_is_doubly_centred(name: str) -> None:
    x = array(FEATURES[name])
    n = len(x)
    centring = np.eye(n) - np.ones((n, n)) / n

    actual = product(FEATURES[name])

    assert actual.dtype == torch.float64
    np.testing.assert_allclose(actual, centring @ x @ x.T @ centring, atol=1e-9)


def test_a_product_of_more_columns_than_are_worked_on_at_a_time() -> None:
    x = noise(4, 1300) + 3
    about = array(x) - array(x).mean(axis=0)

    np.testing.assert_allclose(product(x), np.einsum("id,jd->ij", about, about))


@pytest.mark.parametrize("n", [4, 5, 7])
def test_hsic_is_the_statistic_over_all_fours(n: int) -> None:
    k, m = (x @ x.T for x in (noise(n, 3) + 1, noise(n, 6, seed=1)))

    for a, b in ((k, m), (m, k), (k, k), (product(k), m)):
        assert hsic(a, b) == pytest.approx(statistic(array(a), array(b)), rel=1e-9)


@pytest.mark.parametrize("n", [4, 20])
def test_hsic_does_not_look_at_the_diagonal(n: int) -> None:
    k, m = product(noise(n, 3)), product(noise(n, 3, seed=1))

    assert hsic(k + torch.diag(noise(n)), m) == pytest.approx(hsic(k, m))


def test_hsic_does_not_change_with_centring() -> None:
    x, y = noise(9, 4) + 2, noise(9, 5, seed=1) - 1

    assert hsic(x @ x.T, y @ y.T) == pytest.approx(hsic(product(x), product(y)))


def test_hsic_leaves_its_arguments_alone() -> None:
    k = product(noise(6, 3))
    before = k.clone()

    hsic(k, k)

    assert torch.equal(k, before)


def test_hsic_estimates_the_squared_covariance_without_bias() -> None:
    mixing = torch.tensor([[0.5, 0.0], [0.3, -0.4]], dtype=torch.float64)
    expected = float(mixing.square().sum())  # the covariance of x and x M + noise is M

    draws = [
        hsic(product(x), product(x @ mixing + y))
        for x, y in zip(noises(2000, 8, 2), noises(2000, 8, 2, seed=1), strict=True)
    ]

    assert np.mean(draws) == pytest.approx(expected, abs=4 * np.std(draws) / math.sqrt(2000))
    assert np.std(draws) / math.sqrt(2000) < 0.05 * expected
    assert min(draws) < 0


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_kernels_of_fewer_than_four_samples_are_not_a_number(n: int) -> None:
    assert math.isnan(hsic(torch.ones(n, n), torch.ones(n, n)))
    assert math.isnan(linear_cka(noise(n, 3), noise(n, 3)))


@pytest.mark.parametrize(
    ("k", "m", "said"),
    [
        (torch.ones(4, 5), torch.ones(4, 4), r"`k` to be a square .* shape \[4, 5\]"),
        (torch.ones(4, 4), torch.ones(4), r"`m` to be a square .* shape \[4\]"),
        (torch.ones(4, 4), torch.ones(5, 5), r"same samples, but got shapes \[4, 4\] and \[5, 5\]"),
        (torch.ones(2, 2), torch.ones(3, 3), r"same samples, but got shapes \[2, 2\] and \[3, 3\]"),
    ],
)
def test_hsic_names_what_is_wrong_with_its_arguments(k: Tensor, m: Tensor, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        hsic(k, m)


@pytest.mark.parametrize("name", LARGE)
def test_linear_cka_matches_an_independent_computation(name: str) -> None:
    x = FEATURES[name]
    y = x.double() @ noise(x.shape[1], 7) + noise(len(x), 7, seed=1)
    expected = independent_cka(array(x), array(y))

    assert linear_cka(x, y) == pytest.approx(expected, rel=1e-7)
    assert linear_cka(y, x) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("name", LARGE)
def test_linear_cka_of_the_same_up_to_rotation_shift_and_scale_is_one(name: str) -> None:
    x = FEATURES[name].double()
    turn = torch.linalg.qr(noise(x.shape[1], x.shape[1], seed=3)).Q

    assert linear_cka(x, x) == pytest.approx(1.0)
    assert linear_cka(x, -3 * x @ turn + 2) == pytest.approx(1.0)


def test_linear_cka_of_independent_noise_is_about_zero_where_the_biased_form_is_not() -> None:
    draws = list(zip(noises(80, 32, 768), noises(80, 32, 768, seed=1), strict=True))

    debiased = [linear_cka(x, y) for x, y in draws]

    assert np.mean(debiased) == pytest.approx(0.0, abs=0.02)
    assert np.std(debiased) == pytest.approx(math.sqrt(2 / (32 * 29)), abs=0.01)  # .046
    assert min(debiased) < 0
    assert biased_cka(array(draws[0][0]), array(draws[0][1])) == pytest.approx(0.96, abs=0.01)


def test_linear_cka_of_digits_and_of_their_halves() -> None:
    x = digits()

    value = linear_cka(x[:, :32], x[:, 32:])

    assert value == pytest.approx(independent_cka(array(x[:, :32]), array(x[:, 32:])))
    assert 0.2 < value < 0.9


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(7, 3), (32, 768), (33, 5), (64, 64)])
def test_linear_cka_of_rows_that_are_one_point_is_not_a_number(
    shape: tuple[int, int], dtype: torch.dtype
) -> None:
    x = one_point(*shape, dtype)

    assert math.isnan(linear_cka(x, x))
    assert math.isnan(linear_cka(x, noise(*shape)))
    assert math.isnan(linear_cka(noise(*shape), torch.zeros(*shape)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_kernels_of_lower_precision_are_those_of_the_same_numbers(dtype: torch.dtype) -> None:
    x, y = noise(20, 5, dtype=dtype), noise(20, 30, seed=1, dtype=dtype)

    assert linear_cka(x, y) == linear_cka(x.double(), y.double())
    assert gram_distance(x, y) == pytest.approx(gram_distance(x.double(), y.double()), abs=1e-6)


@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1e30, 1e37])
def test_kernels_ignore_scale(scale: float) -> None:
    x = noise(24, 300, dtype=torch.float32)
    y = x + noise(24, 300, seed=1, dtype=torch.float32)

    assert linear_cka(x * scale, y * scale) == pytest.approx(linear_cka(x, y), rel=1e-4)
    assert gram_distance(x * scale, y) == pytest.approx(gram_distance(x, y), rel=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_kernels_of_rows_with_nan_or_inf_are_not_a_number(bad: float) -> None:
    x = noise(6, 4)
    x[2, 1] = bad

    assert math.isnan(linear_cka(x, noise(6, 4)))
    assert math.isnan(gram_distance(x, noise(6, 4)))
    assert math.isnan(hsic(x @ x.T, torch.eye(6)))


@pytest.mark.parametrize("name", FEATURES)
def test_gram_distance_matches_an_explicit_loop(name: str) -> None:
    x = FEATURES[name]
    y = noise(len(x), 3, seed=5)
    cosines = []
    for rows in (array(x), array(y)):
        z = [row / math.sqrt(row @ row) for row in rows]
        cosines.append(np.array([[a @ b for b in z] for a in z]))

    expected = math.sqrt(((cosines[0] - cosines[1]) ** 2).sum()) / len(x)

    assert gram_distance(x, y) == pytest.approx(expected, abs=1e-6)


def test_gram_distance_squared_is_the_mean_squared_error_of_the_matrices() -> None:
    x, y = digits(), digits().flip(0)
    loss = torch.nn.functional.mse_loss(gram_matrix(x), gram_matrix(y))

    assert gram_distance(x, y) ** 2 == pytest.approx(float(loss), rel=1e-5)


@pytest.mark.parametrize("n", [2, 5, 16])
def test_gram_distance_of_orthogonal_samples_from_one_point(n: int) -> None:
    expected = math.sqrt(n * (n - 1)) / n  # off the diagonal all are 0 and 1

    assert gram_distance(torch.eye(n), torch.ones(n, 3)) == pytest.approx(expected)


def test_gram_distance_of_the_same_similarities_is_zero() -> None:
    x = noise(8, 5)
    turn = torch.linalg.qr(noise(5, 5, seed=3)).Q

    assert gram_distance(x, 2 * x @ turn) == pytest.approx(0.0, abs=1e-6)


def test_gram_distance_of_few_samples_and_of_zeros() -> None:
    assert math.isnan(gram_distance(torch.empty(0, 3), torch.empty(0, 2)))
    assert gram_distance(torch.ones(1, 1), -torch.ones(1, 2)) == pytest.approx(0.0, abs=1e-6)
    assert gram_distance(torch.zeros(3, 2), torch.zeros(3, 4)) == 0.0


@pytest.mark.parametrize("function", [linear_cka, gram_distance])
@pytest.mark.parametrize("other", [noise(4, 3), noise(5), noise(5, 3).int()], ids=str)
def test_representations_are_of_the_same_samples(function: object, other: Tensor) -> None:
    with pytest.raises(ValueError, match=r"but got shape"):
        function(noise(5, 3), other)  # type: ignore[operator]
