"""Nearest neighbours against explicit loops, a library's classifier and hostile numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from gramscope.metrics import duplicate_share, gram_matrix, label_agreement
from tests.gramscope.metrics.samples import (
    FEATURES,
    array,
    digit_labels,
    digits,
    noise,
    one_point,
)


def nearest(gram: Tensor, sample: list[int]) -> list[int | None]:
    """Position of each row's nearest of another sample, if there is one."""
    found: list[int | None] = []
    for i, row in enumerate(gram.tolist()):
        others = [j for j in range(len(row)) if sample[j] != sample[i]]
        found.append(max(others, key=row.__getitem__, default=None))
    return found


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", FEATURES)
def test_duplicate_share_matches_an_explicit_loop(name: str, threshold: float) -> None:
    gram = gram_matrix(FEATURES[name])
    n = len(gram)
    sample = [i // 2 for i in range(n)]
    for given, ids in ((None, list(range(n))), (torch.tensor(sample), sample)):
        pairs = [(i, j) for i, j in enumerate(nearest(gram, ids)) if j is not None]
        expected = np.mean([float(gram[i, j]) > threshold for i, j in pairs]) if pairs else math.nan

        actual = duplicate_share(gram, given, threshold=threshold)

        assert actual == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("copies", [0, 1, 3])
def test_duplicate_share_counts_copies_and_what_they_are_copies_of(copies: int) -> None:
    x = digits(20)
    gram = gram_matrix(torch.cat([x, 2 * x[:copies]]))

    assert duplicate_share(gram) == pytest.approx(2 * copies / (20 + copies))


def test_views_and_padding_are_no_duplicates_of_one_another() -> None:
    x = digits(20)
    gram = gram_matrix(torch.cat([x, x]))
    sample = torch.arange(20).repeat(2)

    assert duplicate_share(gram) == 1.0
    assert duplicate_share(gram, sample) == 0.0
    assert duplicate_share(gram, sample % 19) == 0.0  # samples 0 and 19 are one as well
    assert duplicate_share(gram, torch.arange(40) // 20) == 1.0


@pytest.mark.parametrize(("cosine", "share"), [(0.9985, 0.0), (0.9995, 1.0)])
def test_duplicates_are_closer_than_the_threshold(cosine: float, share: float) -> None:
    gram = torch.tensor([[1.0, cosine], [cosine, 1.0]])

    assert duplicate_share(gram) == share
    assert duplicate_share(gram, threshold=cosine + 1e-6) == 0.0


def test_label_agreement_is_the_accuracy_of_a_classifier_with_one_neighbour() -> None:
    classifier = KNeighborsClassifier(n_neighbors=1, metric="cosine", algorithm="brute")
    labels = digit_labels()
    expected = cross_val_score(classifier, array(digits()), labels.numpy(), cv=LeaveOneOut()).mean()

    assert label_agreement(gram_matrix(digits()), labels) == pytest.approx(expected)
    assert expected > 0.85


@pytest.mark.parametrize("name", FEATURES)
def test_label_agreement_matches_an_explicit_loop(name: str) -> None:
    gram = gram_matrix(FEATURES[name])
    n = len(gram)
    label = torch.arange(n) % 3
    sample = [i // 2 for i in range(n)]
    pairs = [(i, j) for i, j in enumerate(nearest(gram, sample)) if j is not None]
    expected = np.mean([bool(label[i] == label[j]) for i, j in pairs]) if pairs else math.nan

    actual = label_agreement(gram, label, torch.tensor(sample))

    assert actual == pytest.approx(expected, nan_ok=True)


def test_label_agreement_looks_past_views_of_the_same_sample() -> None:
    x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.01], [1.0, 0.11]])
    gram, label = gram_matrix(x), torch.tensor([0, 1, 0, 1])

    assert label_agreement(gram, label) == 1.0
    assert label_agreement(gram, label, torch.tensor([0, 1, 0, 1])) == 0.0


def test_label_agreement_of_labels_that_are_all_the_same_or_all_different() -> None:
    gram = gram_matrix(noise(12, 5))

    assert label_agreement(gram, torch.zeros(12, dtype=torch.long)) == 1.0
    assert label_agreement(gram, torch.arange(12)) == 0.0


def test_neighbours_of_too_few_samples_are_not_a_number() -> None:
    for n in (0, 1):
        assert math.isnan(duplicate_share(torch.ones(n, n)))
        assert math.isnan(label_agreement(torch.ones(n, n), torch.zeros(n)))
    same = torch.zeros(3, dtype=torch.long)
    assert math.isnan(duplicate_share(torch.ones(3, 3), same))
    assert math.isnan(label_agreement(torch.ones(3, 3), same, same))


def test_neighbours_of_two_samples() -> None:
    gram = gram_matrix(torch.tensor([[2.0], [3.0]]))

    assert duplicate_share(gram) == 1.0
    assert label_agreement(gram, torch.tensor([4, 4])) == 1.0
    assert label_agreement(gram, torch.tensor([4, 5])) == 0.0
    assert duplicate_share(gram_matrix(torch.tensor([[2.0], [-3.0]]))) == 0.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_duplicate_share_of_one_point_and_of_zeros(dtype: torch.dtype) -> None:
    assert duplicate_share(gram_matrix(one_point(9, 6, dtype))) == 1.0
    assert duplicate_share(gram_matrix(torch.zeros(9, 6, dtype=dtype))) == 0.0
    assert duplicate_share(gram_matrix(one_point(9, 6)).to(dtype)) == 1.0


def test_a_row_without_neighbours_of_another_sample_is_left_out() -> None:
    gram = torch.ones(3, 3)

    assert duplicate_share(gram, torch.tensor([0, 0, 1])) == 1.0


def test_neighbours_of_rows_with_nan_are_not_a_number() -> None:
    x = noise(6, 4)
    x[2, 1] = math.nan

    assert math.isnan(duplicate_share(gram_matrix(x)))
    assert math.isnan(label_agreement(gram_matrix(x), torch.zeros(6)))


@pytest.mark.parametrize("shape", [(2, 3), (4,), (2, 2, 2)])
def test_neighbours_want_a_square_matrix(shape: tuple[int, ...]) -> None:
    gram = torch.ones(shape)

    with pytest.raises(ValueError, match=r"Expected `gram` to be a square .* but got shape"):
        duplicate_share(gram)
    with pytest.raises(ValueError, match=r"Expected `gram` to be a square .* but got shape"):
        label_agreement(gram, torch.zeros(shape[:1]))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (4, 1)])
def test_neighbours_want_one_label_and_one_sample_for_each_row(shape: tuple[int, ...]) -> None:
    gram, wrong = torch.eye(4), torch.zeros(shape)

    with pytest.raises(ValueError, match=r"Expected `sample` to hold one .* 4 rows, but got shape"):
        duplicate_share(gram, wrong)
    with pytest.raises(ValueError, match=r"Expected `sample` to hold one .* 4 rows, but got shape"):
        label_agreement(gram, torch.arange(4), wrong)
    with pytest.raises(ValueError, match=r"Expected `label` to hold one .* 4 rows, but got shape"):
        label_agreement(gram, wrong)
