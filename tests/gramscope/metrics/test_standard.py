"""The numbers of an event, from its rows and what is known of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gramscope import metrics
from gramscope.diagnosis import NUMBERS
from gramscope.metrics import standard
from gramscope.metrics.batch import Batch, stacked
from gramscope.metrics.standard import CHOICES, GRAM, STANDARD, measured, wanted

OF_VIEWS = {"alignment", "view_correlation", "view_correlation_z", "view_cka", "shared_rank"}
OF_VIEWS |= {"lidar", "positive_similarity", "negative_similarity"}


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
        **{n: getattr(metrics, n)(a, b) for n in OF_VIEWS if n.startswith(("view", "shared"))},
        **{n: getattr(metrics, n)(gram, torch.arange(24) % 12) for n in OF_VIEWS if "similar" in n},
        "uniformity_w2_excess": metrics.uniformity_w2(rows) - metrics.uniformity_w2_floor(24, 8),
        "alignment": metrics.alignment(a, b),
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


def test_a_view_that_a_sampler_repeats_counts_once(views: list[Tensor]) -> None:
    once, (sample, view) = torch.cat(views), stacked(24, 2)
    order = torch.cat([torch.arange(24), torch.tensor([0, 12, 3])])  # as padding does, or in part
    ids = sample * 2**50 - 7  # numbers of any size
    batch = Batch(once[order], sample=ids[order], view=view[order])

    found, _ = measured(batch, STANDARD)

    expected = standard(once, views=2)
    assert {n: found[n] for n in OF_VIEWS} == pytest.approx({n: expected[n] for n in OF_VIEWS})
    assert found["uniformity"] == pytest.approx(expected["uniformity"])
    assert found["duplicate_share"] == 0.0


@pytest.mark.parametrize("layout", ["stacked", "interleaved"])
def test_only_views_of_one_crop_type_are_compared(views: list[Tensor], layout: str) -> None:
    sample, view = stacked(72, 6)  # two global views and four local ones
    rows = torch.cat([*views, torch.randn(48, 8, generator=torch.Generator().manual_seed(1))])
    order = torch.arange(72) if layout == "stacked" else torch.arange(72).reshape(6, 12).T.flatten()
    batch = Batch(rows[order], sample=sample[order], view=view[order], alike=2)

    found, _ = measured(batch, STANDARD)

    expected = standard(torch.cat(views), views=2)
    assert {n: found[n] for n in OF_VIEWS} == pytest.approx({n: expected[n] for n in OF_VIEWS})
    assert found["offdiag_mean"] == pytest.approx(metrics.offdiag_mean(metrics.gram_matrix(rows)))


@pytest.mark.parametrize("view", [[0, 0, 0, 0], [0, 0, 2, 2], [2, 3, 2, 3]])
def test_samples_without_two_views_that_can_be_compared_have_no_numbers_of_pairs(
    view: list[int],
) -> None:
    batch = Batch(torch.eye(4), sample=torch.tensor([0, 1, 0, 1]), view=torch.tensor(view), alike=2)

    found, failed = measured(batch, STANDARD)

    assert not failed
    assert not found.keys() & (OF_VIEWS - {"negative_similarity"})


def test_fewer_than_two_views_cannot_be_alike() -> None:
    with pytest.raises(ValueError, match="`alike` to be at least 2 views, but got 1"):
        Batch(torch.eye(4), alike=1)


def test_a_number_that_fails_says_why_and_the_others_are_there() -> None:
    def fail(batch: Batch) -> float:
        raise RuntimeError("no such thing")

    broken = {"broken": fail, "nothing": lambda _: math.nan}

    found, failed = measured(Batch(torch.eye(3)), {**broken, **GRAM})

    assert failed == {"broken": "RuntimeError: no such thing"}
    assert found.keys() == GRAM.keys()


def test_numbers_are_asked_for_by_the_name_of_a_set_or_by_their_own() -> None:
    assert wanted("gram") == GRAM
    assert wanted("standard") == STANDARD
    assert wanted(["lidar", "spread"]) == {n: STANDARD[n] for n in ("lidar", "spread")}
    assert wanted([]) == {}
    assert CHOICES.keys() == {"gram", "standard"}


@pytest.mark.parametrize(
    ("names", "close"),
    [(["spred"], "close to spread"), ("standart", "close to standard"), ("spread", "spread")],
)
def test_an_unknown_number_is_refused_with_names_close_to_it(
    names: str | list[str], close: str
) -> None:
    with pytest.raises(ValueError, match=f"'gram', 'standard' or a list of .* got '.*{close}"):
        wanted(names)


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

    found, failed = measured(batch, STANDARD)

    assert not failed
    assert found["label_agreement"] == pytest.approx(0.5)
