"""The same samples at two events, against explicit loops, closed forms and hostile numbers."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from gramscope.metrics import gram_distance, gram_drift, gram_matrix
from gramscope.metrics import neighbours_gained as gained
from gramscope.metrics import neighbours_lost as lost
from tests.gramscope.metrics.samples import FEATURES, array, digits, noise, one_point


def drifted(name: str) -> tuple[Tensor, Tensor]:
    """Gram matrices of features, and of the same after a step."""
    x = FEATURES[name].double()
    return gram_matrix(x + 0.5 * noise(*x.shape, seed=9) * x.std()), gram_matrix(x)


def pairs(gram: Tensor, k: int) -> set[tuple[int, int]]:
    """Two rows each of which is among the other's nearest, found one row at a time."""
    table = np.round(array(gram), 6)
    near = []
    for i in range(len(table)):
        others = sorted((-table[i, j], j) for j in range(len(table)) if j != i)
        near.append({j for _, j in others[:k]})
    return {(i, j) for i, j in combinations(range(len(table)), 2) if j in near[i] and i in near[j]}


@pytest.mark.parametrize("name", FEATURES)
def test_drift_is_the_root_mean_square_change(name: str) -> None:
    now, before = drifted(name)
    keep = [i for i in range(len(now)) if i % 3]
    mask = torch.tensor([i in keep for i in range(len(now))])

    change = array(now) - array(before)
    assert gram_drift(now, before) == pytest.approx(np.sqrt(np.mean(change**2)))
    assert gram_drift(before, now) == gram_drift(now, before)
    part = np.mean([change[i, j] ** 2 for i in keep for j in keep])
    assert gram_drift(now, before, mask) == pytest.approx(np.sqrt(part))


def test_drift_squared_is_the_loss_of_gram_anchoring() -> None:
    x, y = digits(40).double(), digits(80)[40:].double()
    unit = [torch.nn.functional.normalize(rows, dim=1) for rows in (x, y)]
    loss = torch.nn.functional.mse_loss(*(rows @ rows.T for rows in unit))

    assert gram_drift(gram_matrix(x), gram_matrix(y)) ** 2 == pytest.approx(float(loss))
    assert gram_drift(gram_matrix(x), gram_matrix(y)) == gram_distance(x, y)


def test_turning_all_features_together_moves_nothing() -> None:
    x = digits(40).double()
    turn = torch.linalg.qr(noise(64, 64)).Q
    now, before = gram_matrix(3 * x @ turn), gram_matrix(x)

    assert gram_drift(now, before) < 1e-9
    assert gained(now, before) == lost(now, before) == 0.0


@pytest.mark.parametrize("k", [1, 3, 5, 1000])
@pytest.mark.parametrize("name", FEATURES)
def test_neighbours_match_an_explicit_loop(name: str, k: int) -> None:
    now, before = drifted(name)
    if len(now) < 3:
        assert math.isnan(gained(now, before, k))
        return
    new, old = pairs(now, k), pairs(before, k)

    assert gained(now, before, k) == pytest.approx(len(new - old) / len(new | old))
    assert lost(now, before, k) == pytest.approx(len(old - new) / len(new | old))


def test_all_pairs_are_neighbours_where_there_are_few_rows() -> None:
    now, before = drifted("wide")
    assert gained(now, before, k=len(now) - 1) == 0.0


def test_rounding_makes_no_neighbours() -> None:
    before = gram_matrix(one_point(12, 8, torch.float32))
    now = before - 1e-7 * torch.rand(12, 12, generator=torch.Generator().manual_seed(0))

    assert gained(now, before, k=2) == lost(now, before, k=2) == 0.0


def test_rows_without_similarities_are_left_out_of_both() -> None:
    now, before = drifted("wide")
    hurt = now.clone()
    hurt[3], hurt[:, 3] = torch.nan, torch.nan
    keep = [i for i in range(len(now)) if i != 3]
    now, less = now[keep][:, keep], before[keep][:, keep]

    assert gram_drift(hurt, before) == gram_drift(now, less)
    assert gram_drift(before, hurt) == gram_drift(less, now)
    assert gained(hurt, before, 3) == gained(now, less, 3)
    assert gram_drift(hurt, before, torch.arange(len(hurt)) < 5) == gram_drift(
        now[:4, :4], less[:4, :4]
    )


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_rows(n: int) -> None:
    gram = gram_matrix(noise(n, 4))

    assert gram_drift(gram, gram) == pytest.approx(0.0 if n else math.nan, nan_ok=True)
    assert math.isnan(gained(gram, gram))
    assert math.isnan(lost(gram, gram))


def test_other_samples_cannot_be_compared() -> None:
    gram = torch.eye(4)
    with pytest.raises(ValueError, match=r"of the same samples, but got shapes \[4, 4\] and \[5"):
        gram_drift(gram, torch.eye(5))
    with pytest.raises(ValueError, match=r"`before` to be a square"):
        gained(gram, torch.ones(4, 3))
    with pytest.raises(ValueError, match=r"`mask` to hold one bool for each of 4 rows, .* \[3\]"):
        gram_drift(gram, gram, torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"`mask` .* of torch.float32"):
        gram_drift(gram, gram, torch.ones(4))
    with pytest.raises(ValueError, match="`k` to be at least 1 neighbour, but got 0"):
        lost(gram, gram, k=0)
