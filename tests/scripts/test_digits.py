"""What `scripts/bench digits` learns by, against definitions written out, and how it tells it."""

import importlib
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

BENCHMARKS = Path(__file__).parents[2] / "scripts" / "benchmarks"


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


@pytest.fixture
def losses() -> ModuleType:
    return importlib.import_module("_joint_embedding")


@pytest.fixture
def views() -> tuple[Tensor, Tensor]:
    """``[5, 3]`` each, some columns of which vary by less than 1."""
    drawn = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    a, b = drawn.double() * torch.tensor([0.3, 1.0, 3.0])
    return a, b


def cosine(x: Tensor, y: Tensor) -> float:
    return float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))


def test_simclr_tells_the_partner_from_all_other_rows(
    losses: ModuleType, views: tuple[Tensor, Tensor]
) -> None:
    rows = list(torch.cat(views))
    terms = []
    for i, row in enumerate(rows):
        others = {j: math.exp(cosine(row, rows[j]) / 0.2) for j in range(10) if j != i}
        terms.append(-math.log(others[(i + 5) % 10] / sum(others.values())))

    assert float(losses.simclr(*views, 0.2)) == pytest.approx(np.mean(terms))


def test_simsiam_compares_predictions_with_the_other_view_which_stands_still(
    losses: ModuleType, views: tuple[Tensor, Tensor]
) -> None:
    a, b = views
    turn = torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double()
    gradients = []
    for stop in (True, False):
        seen = a.clone().requires_grad_()
        loss = losses.simsiam(seen, b, lambda x: x @ turn, stop)
        pairs = [(p @ turn, q) for p, q in [*zip(a, b, strict=True), *zip(b, a, strict=True)]]
        assert loss.item() == pytest.approx(-np.mean([cosine(*pair) for pair in pairs]))
        loss.backward()
        gradients.append(seen.grad)

    held = a.clone().requires_grad_()
    (-torch.cosine_similarity(held @ turn, b).mean() / 2).backward()
    torch.testing.assert_close(gradients[0], held.grad)
    assert not torch.allclose(gradients[1], gradients[0])


@pytest.mark.parametrize("weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (25, 25, 1)], ids=str)
def test_vicreg_is_the_weighted_sum_of_its_terms(
    losses: ModuleType, views: tuple[Tensor, Tensor], weights: tuple[float, ...]
) -> None:
    covariances = [np.cov(view.numpy().T) for view in views]
    stds = [math.sqrt(c[i, i] + 1e-4) for c in covariances for i in range(3)]
    still = np.mean([max(0.0, 1 - std) for std in stds])
    apart = np.mean([(x - y) ** 2 for x, y in zip(*(v.flatten() for v in views), strict=True)])
    shared = sum(c[i, j] ** 2 for c in covariances for i in range(3) for j in range(3) if i != j)

    expected = np.dot(weights, [still, apart, shared / 3])
    assert float(losses.vicreg(*views, *weights)) == pytest.approx(expected)
    assert expected > 0


def test_a_course_tells_means_of_seeds_and_the_range_they_end_in() -> None:
    course = importlib.import_module("_course").Course

    told = course([[None, 2.0], [12.4, 13.4], [4e-5, 0.2]])

    assert (str(told), told.last()) == ("– / 13 / 0.1", "0.00004 – 0.2")
    assert course([[2.0, None]]).last() == "–"
