"""The numbers of an event, from its rows and what is known of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gramscope import metrics
from gramscope.diagnosis import NUMBERS
from gramscope.metrics import standard
from gramscope.metrics.batch import Batch, stacked
from gramscope.metrics.standard import STANDARD, measured

OF_VIEWS = {"alignment", "view_correlation", "view_correlation_z", "view_cka", "shared_rank"}
OF_VIEWS |= {"lidar"}


@pytest.fixture
def views() -> list[Tensor]:
    """Two views of 12 samples, of 8 directions."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(12, 8, generator=generator)
    return [common + 0.3 * torch.randn(12, 8, generator=generator) for _ in range(2)]


def test_each_number_is_that_of_its_function(views: list[Tensor]) -> None:
    rows = torch.cat(views)
    a, b = (metrics.unit_rows(view) for view in views)

    found = standard(rows, views=2)

    gram = metrics.gram_matrix(rows)
    expected = {
        **{n: getattr(metrics, n)(gram) for n in NUMBERS if n.startswith("offdiag")},
        **{n: getattr(metrics, n)(rows) for n in ("spread", "feature_std", "uniformity_w2")},
        **{n: getattr(metrics, n)(rows) for n in ("effective_rank", "stable_rank", "rankme")},
        **{n: getattr(metrics, n)(rows) for n in ("participation_ratio", "cev_auc", "alpha_req")},
        **{n: getattr(metrics, n)(a, b) for n in OF_VIEWS - {"lidar"}},
        "lidar": metrics.lidar(torch.stack([a, b], dim=1)),
        "uniformity": (metrics.uniformity(a) + metrics.uniformity(b)) / 2,
        "rank_ceiling": 8.0,
        "effective_rank_share": metrics.effective_rank(rows) / 8,
        "participation_ratio_share": metrics.participation_ratio(rows) / 8,
        "stable_rank_share": metrics.stable_rank(rows) / 8,
        "rankme_share": metrics.rankme(rows) / 8,
        "duplicate_share": 0.0,
        "nonfinite_rows": 0.0,
        "alpha_req_r2": metrics.power_law(rows).r2,
    }
    assert found == pytest.approx(expected)


def test_without_views_the_numbers_that_need_them_are_not_there(views: list[Tensor]) -> None:
    known, unknown = standard(torch.cat(views), views=2), standard(torch.cat(views))

    assert known.keys() - unknown.keys() == OF_VIEWS


def test_rows_with_nan_leave_the_others_as_they_are(views: list[Tensor]) -> None:
    a, b = views
    hurt = a.clone()
    hurt[3, 2] = torch.nan

    found = standard(torch.cat([hurt, b]), views=2)

    keep = [i for i in range(12) if i != 3]
    assert found["nonfinite_rows"] == 1.0
    assert found["offdiag_mean"] == pytest.approx(
        metrics.offdiag_mean(metrics.gram_matrix(torch.cat([a[keep], b])))
    )
    # The other view of that sample has no partner.
    pair = [metrics.unit_rows(view[keep]) for view in (a, b)]
    assert found["view_correlation"] == pytest.approx(metrics.view_correlation(*pair))


@pytest.mark.parametrize("order", [torch.arange(24), torch.arange(24).flip(0)])
def test_views_are_found_in_any_order_of_rows(views: list[Tensor], order: Tensor) -> None:
    sample, view = stacked(24, 2)
    batch = Batch(torch.cat(views)[order], sample=sample[order], view=view[order])

    assert batch.views is not None
    assert batch.views.shape == (2, 12, 8)
    together = metrics.view_correlation(*batch.views)
    assert together == pytest.approx(metrics.view_correlation(*map(metrics.unit_rows, views)))


@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("views", [None, 1])
def test_few_rows_give_what_they_can(rows: int, views: int | None) -> None:
    found = standard(torch.ones(rows, 3), views=views)

    assert found["nonfinite_rows"] == 0.0
    assert found.get("effective_rank", 0.0) == 0.0


def test_views_that_do_not_divide_the_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="`views` to divide the 5 rows, but got 2"):
        standard(torch.ones(5, 3), views=2)


@pytest.mark.parametrize("name", ["sample", "view", "label"])
def test_what_is_not_of_the_rows_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` to hold a number for each of 5 rows"):
        Batch(torch.ones(5, 3), **{name: torch.arange(4)})


def test_labels_are_those_of_the_rows_that_are_left() -> None:
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.1], [torch.nan, 0.0], [0.0, 1.0], [0.1, 1.0]])
    batch = Batch(rows, label=torch.tensor([0, 0, 1, 1, 2]))

    found = measured(batch, STANDARD)

    assert found["label_agreement"] == pytest.approx(0.5)
