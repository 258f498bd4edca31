"""The gram matrix against independent computations, closed forms and hostile numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gramscope.metrics import (
    gram_matrix,
    negative_similarity,
    offdiag_max,
    offdiag_mean,
    offdiag_min,
    offdiag_std,
    positive_similarity,
    singular_values,
)

STATISTICS = [offdiag_mean, offdiag_std, offdiag_min, offdiag_max]


def features(n: int, d: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(n * 100 + d)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 5), (16, 4), (4, 16), (7, 1)])
def test_gram_matrix_is_pairwise_cosine_similarity(n: int, d: int, dtype: torch.dtype) -> None:
    x = features(n, d, dtype)
    exact = x.double().numpy()
    expected = [
        [np.dot(a, b) / math.sqrt(np.dot(a, a) * np.dot(b, b)) for b in exact] for a in exact
    ]

    actual = gram_matrix(x)

    assert actual.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    np.testing.assert_allclose(actual.numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
def test_gram_matrix_ignores_the_scale_of_the_rows(scale: float) -> None:
    x = features(6, 9)

    torch.testing.assert_close(gram_matrix(x * scale), gram_matrix(x), atol=1e-6, rtol=0)


def test_gram_matrix_of_large_half_precision_features_does_not_overflow() -> None:
    x = torch.full((2, 4096), 60_000.0, dtype=torch.float16)  # its norm exceeds float16

    assert gram_matrix(x).tolist() == pytest.approx(np.ones((2, 2)), abs=1e-6)


def test_gram_matrix_of_a_zero_row_is_zero_there_and_right_elsewhere() -> None:
    gram = gram_matrix(torch.tensor([[3.0, 0.0], [0.0, 0.0], [1.0, 0.0]]))

    assert gram.tolist() == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]


def test_gram_matrix_stays_within_its_range_and_is_symmetric() -> None:
    gram = gram_matrix(features(1, 33).expand(50, -1) * torch.rand(50, 1).add(0.1))

    assert gram.max() <= 1.0
    assert torch.equal(gram, gram.T)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_gram_matrix_of_nothing(shape: tuple[int, int]) -> None:
    assert gram_matrix(torch.empty(shape)).shape == (shape[0], shape[0])


@pytest.mark.parametrize(
    "bad", [torch.ones(3), torch.ones(2, 2, 2), torch.ones(2, 2, dtype=torch.int64)], ids=str
)
def test_gram_matrix_names_what_is_wrong_with_its_argument(bad: Tensor) -> None:
    with pytest.raises(ValueError, match=r"Expected `features` .* \[N, D\] matrix, but got shape"):
        gram_matrix(bad)


def test_gram_matrix_leaves_its_argument_alone() -> None:
    x = features(5, 3).requires_grad_()
    before = x.detach().clone()

    gram = gram_matrix(x)

    assert torch.equal(x, before)
    assert not gram.requires_grad


@pytest.mark.parametrize("n", [2, 3, 10])
def test_offdiagonal_statistics_match_an_explicit_selection(n: int) -> None:
    gram = gram_matrix(features(n, 4))
    pairs = gram.double().numpy()[~np.eye(n, dtype=bool)]

    actual = [statistic(gram) for statistic in STATISTICS]

    assert actual == pytest.approx([pairs.mean(), pairs.std(), pairs.min(), pairs.max()])


def test_offdiag_mean_equals_its_closed_form() -> None:
    x = features(12, 5)
    z = x / x.norm(dim=1, keepdim=True)
    expected = (12 * z.mean(dim=0).square().sum() - 1) / 11  # (N ||mean z||^2 - 1) / (N - 1)

    assert offdiag_mean(gram_matrix(x)) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("n", [0, 1])
def test_offdiagonal_statistics_of_fewer_than_two_samples_are_not_a_number(
    statistic: object, n: int
) -> None:
    assert math.isnan(statistic(torch.ones(n, n)))  # type: ignore[operator]


@pytest.mark.parametrize("statistic", STATISTICS)
def test_offdiagonal_statistics_want_a_square_matrix(statistic: object) -> None:
    with pytest.raises(ValueError, match=r"Expected `gram` to be a square .* shape \[2, 3\]"):
        statistic(torch.ones(2, 3))  # type: ignore[operator]


@pytest.mark.parametrize("sample", [[0, 1, 0, 1, 0], [5, 5, 5, -9, 7], [2**62, 1, 2**62, 3, 1]])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_similarities_of_pairs_match_an_explicit_selection(
    sample: list[int], dtype: torch.dtype
) -> None:
    gram = gram_matrix(features(5, 3, dtype))
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    same = [float(gram[i, j]) for i, j in pairs if sample[i] == sample[j]]
    different = [float(gram[i, j]) for i, j in pairs if sample[i] != sample[j]]

    assert positive_similarity(gram, torch.tensor(sample)) == pytest.approx(np.mean(same))
    assert negative_similarity(gram, torch.tensor(sample)) == pytest.approx(np.mean(different))


def test_similarities_of_pairs_and_of_all_rows_add_up() -> None:
    gram, sample = gram_matrix(features(12, 5)), torch.arange(12) % 6  # 12 of 132 pairs are views

    both = positive_similarity(gram, sample) * 12 + negative_similarity(gram, sample) * 120

    assert both / 132 == pytest.approx(offdiag_mean(gram))


def test_similarities_of_views_that_are_the_same_and_of_samples_that_are_opposite() -> None:
    gram, sample = gram_matrix(torch.tensor([[1.0], [2.0], [-3.0]])), torch.tensor([4, 4, 2])

    assert positive_similarity(gram, sample) == 1.0
    assert negative_similarity(gram, sample) == -1.0


@pytest.mark.parametrize("n", [0, 1, 2])
def test_similarities_without_a_pair_are_not_a_number(n: int) -> None:
    gram = torch.ones(n, n)

    assert math.isnan(positive_similarity(gram, torch.arange(n)))
    assert math.isnan(negative_similarity(gram, torch.zeros(n)))


@pytest.mark.parametrize("number", [positive_similarity, negative_similarity])
def test_similarities_of_pairs_name_what_is_wrong(number: object) -> None:
    with pytest.raises(ValueError, match=r"Expected `gram` to be a square .* shape \[2, 3\]"):
        number(torch.ones(2, 3), torch.arange(2))  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"Expected `sample` to hold one integer for each of 2"):
        number(torch.ones(2, 2), torch.arange(3))  # type: ignore[operator]


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize(("n", "d"), [(1, 4), (2, 3), (20, 6), (6, 20), (8, 8)])
def test_singular_values_match_a_decomposition(n: int, d: int, centred: bool) -> None:
    x = features(n, d).double().numpy()
    expected = np.linalg.svd(x - x.mean(axis=0) if centred else x, compute_uv=False)

    actual = singular_values(torch.from_numpy(x), centred=centred)

    np.testing.assert_allclose(actual.numpy(), expected, atol=1e-6)


def test_singular_values_of_no_samples() -> None:
    assert singular_values(torch.empty(0, 3)).shape == (0,)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_singular_values_of_extreme_features(scale: float) -> None:
    x = features(5, 7, torch.float64)

    actual = singular_values(x * scale) / scale

    torch.testing.assert_close(actual, singular_values(x), rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 8), (8, 3)])
def test_singular_values_of_nan_or_inf_are_not_a_number(
    n: int, d: int, dtype: torch.dtype, bad: float
) -> None:
    x = features(n, d, dtype)
    x[0, 0] = bad

    for centred in (True, False):
        values = singular_values(x, centred=centred)
        assert values.shape == (min(n, d),)
        assert values.isnan().all()
