"""Numbers of patches, against NumPy, scikit-learn's clusters, closed forms and hostile numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from gramscope import metrics
from gramscope.metrics import dense_inter, dense_intra, dense_rank, patch_grams, patches
from gramscope.metrics.patches import PATCHES, PatchTokens
from gramscope.metrics.standard import measured
from tests.gramscope.metrics.samples import Array, array, noise

OF_TOKENS: list[Callable[[Tensor], float]] = [
    metrics.patch_norm_outliers,
    metrics.patch_similarity,
    dense_inter,
    dense_intra,
    dense_rank,
]
ALONE = {"patch_similarity", "dense_inter", "dense_intra", "dense_rank"}


def clustered(samples: int = 16, count: int = 60, noisy: float = 0.05) -> Tensor:
    """Patches of three kinds in each sample, of 24 in every other of 16 samples."""
    kinds = torch.nn.functional.normalize(noise(24, 32, seed=3), dim=1)
    of_sample = (torch.arange(samples) // 2 * 3)[:, None] + torch.arange(3)
    kind = of_sample[:, torch.arange(count) % 3]
    return kinds[kind % 24] + noisy * noise(samples, count, 32, seed=4) / 32**0.5


def unit(tokens: Tensor) -> Array:
    x = array(tokens)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def extent(rows: Array, labels: Array) -> float:
    """Mean nuclear norm of clusters, by the authors' formula and a plain decomposition."""
    found = []
    for label in np.unique(labels):
        own = rows[labels == label]
        if len(own) > 1:
            values = np.linalg.svd(own - own.mean(axis=0), compute_uv=False)
            found.append(values.sum() / math.sqrt(max(len(own) - 1, rows.shape[1])))
    return float(np.mean(found))


def terms(tokens: Tensor) -> tuple[float, float, float]:
    """Inter, intra and rank, written anew."""
    z = unit(tokens)
    rows = z.reshape(-1, z.shape[-1])
    scale = np.mean([np.linalg.norm(row - rows.mean(axis=0)) for row in rows])
    inter, wide = [], []
    for group in (z[::2].reshape(-1, z.shape[-1]), z[1::2].reshape(-1, z.shape[-1])):
        found = KMeans(24, n_init=20, random_state=1).fit(group)
        away = [
            min(math.dist(row, c) for i, c in enumerate(found.cluster_centers_) if i != label)
            for row, label in zip(group, found.labels_, strict=True)
        ]
        inter.append(np.mean(away))
        wide.append(extent(group, found.labels_))
    narrow = [extent(s, KMeans(3, n_init=20, random_state=1).fit(s).labels_) for s in z]
    p = np.linalg.svd(rows, compute_uv=False)
    p = p / p.sum()
    rank = math.exp(-sum(p * np.log(p))) / min(rows.shape)
    intra = (np.mean(narrow) + np.mean(wide)) / 2
    return float(np.mean(inter) / scale), float(intra / scale), rank


def test_dense_terms_are_those_of_another_implementation() -> None:
    tokens = clustered(noisy=0.5)

    found = dense_inter(tokens), dense_intra(tokens), dense_rank(tokens)

    assert found == pytest.approx(terms(tokens), rel=0.05)  # where k-means starts is its own
    assert found[2] == pytest.approx(terms(tokens)[2], rel=1e-6)


def test_dense_terms_tell_clear_clusters_from_blurred_ones() -> None:
    clear, blurred = clustered(noisy=0.1), clustered(noisy=1.0)

    assert dense_inter(clear) > dense_inter(blurred)
    assert dense_intra(clear) < dense_intra(blurred)
    assert dense_rank(clear) < dense_rank(blurred)


@pytest.mark.parametrize("points", [2, 3])
def test_dense_terms_of_points_apart(points: int) -> None:
    tokens = torch.eye(5)[:points].repeat(4, 1)[None].repeat(2, 1, 1)

    # Points at right angles lie 2^(1/2) apart, and (1 - 1/n)^(1/2) from their mean.
    assert dense_inter(tokens) == pytest.approx(math.sqrt(2 / (1 - 1 / points)))
    assert dense_intra(tokens) == pytest.approx(0, abs=1e-9)
    assert dense_rank(tokens) == pytest.approx(points / 5)


def test_points_that_only_rounding_parts_are_one() -> None:
    points = noise(5, 384, seed=6)
    tokens = points.repeat(12, 1) * noise(2, 60, 1, seed=7).abs()

    z = unit(points)
    away = [min(math.dist(z[i], z[j]) for j in range(5) if j != i) for i in range(5)]
    centre = [math.dist(p, z.mean(axis=0)) for p in z]
    assert dense_inter(tokens) == pytest.approx(np.mean(away) / np.mean(centre))


@pytest.mark.parametrize("number", OF_TOKENS, ids=lambda n: n.__name__)
def test_a_number_is_blind_to_scale_and_takes_any_floating_type(
    number: Callable[[Tensor], float],
) -> None:
    tokens = clustered(noisy=0.5)

    for other in (1000 * tokens, tokens.float(), tokens.bfloat16()):
        assert number(other) == pytest.approx(number(tokens), rel=0.03, abs=1e-3)


@pytest.mark.parametrize("number", OF_TOKENS, ids=lambda n: n.__name__)
def test_patches_that_are_not_finite_are_left_out(number: Callable[[Tensor], float]) -> None:
    tokens = clustered(8, 40)
    hurt = torch.cat([tokens, tokens[:, :2]], dim=1)
    hurt[:, 40, 1], hurt[:, 41, 0] = math.nan, math.inf

    assert number(hurt) == pytest.approx(number(tokens), rel=1e-9)
    assert math.isnan(number(torch.full((2, 3, 4), math.nan)))


@pytest.mark.parametrize("number", OF_TOKENS, ids=lambda n: n.__name__)
@pytest.mark.parametrize(
    "shape", [(0, 4, 3), (2, 0, 3), (1, 1, 3), (3, 2, 1), (9, 2, 4), (1, 7, 2)]
)
def test_few_patches_give_a_number_or_none(
    number: Callable[[Tensor], float], shape: tuple[int, ...]
) -> None:
    for tokens in (noise(*shape), torch.zeros(shape), torch.ones(shape)):
        value = number(tokens)
        assert math.isnan(value) or -1 <= value < 10


def test_patches_that_are_one_point_have_no_structure() -> None:
    tokens = noise(1, 1, 32, seed=5).float().repeat(4, 30, 1)

    assert patches(tokens) == {
        "patch_similarity": pytest.approx(1),
        "dense_rank": pytest.approx(1 / 32, rel=1e-4),
    }
    assert math.isnan(dense_inter(tokens))
    assert math.isnan(dense_intra(tokens))


@pytest.mark.parametrize("number", OF_TOKENS, ids=lambda n: n.__name__)
def test_a_number_is_the_same_each_time_and_draws_no_random_numbers(
    number: Callable[[Tensor], float],
) -> None:
    tokens = clustered(4, 300, noisy=2.0)  # more patches than are taken
    states = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002

    values = {number(tokens) for _ in range(3)}

    assert len(values) == 1
    assert torch.get_rng_state().equal(states[0])
    np.testing.assert_equal(np.random.get_state(), states[1])  # noqa: NPY002


def test_of_many_patches_some_say_what_all_do() -> None:
    tokens = clustered(8, 400, noisy=0.5)

    for number in (dense_inter, dense_intra, dense_rank):
        assert number(tokens) == pytest.approx(number(tokens[:, :196]), rel=0.05)
        assert number(tokens[:, :196]) != number(tokens)


def test_similarity_is_that_of_the_gram_matrices() -> None:
    tokens = noise(3, 20, 6) + noise(3, 1, 6, seed=2)
    expected = [metrics.offdiag_mean(metrics.gram_matrix(rows)) for rows in tokens]

    assert metrics.patch_similarity(tokens) == pytest.approx(sum(expected) / 3)


@pytest.mark.parametrize("artefacts", [0, 3, 40])
def test_outliers_are_the_patches_that_were_made_long(artefacts: int) -> None:
    tokens = noise(4, 100, 64)
    tokens.view(400, 64)[:artefacts] *= 5

    assert metrics.patch_norm_outliers(tokens) == artefacts / 400


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lengths_that_only_rounding_parts_are_none(dtype: torch.dtype) -> None:
    same = torch.nn.functional.layer_norm(noise(4, 100, 64), [64])
    assert metrics.patch_norm_outliers(same.to(dtype)) == 0.0
    nearly = torch.ones(2, 9, 4)
    nearly[0, :3] += 1e-5
    assert metrics.patch_norm_outliers(nearly) == 0.0


def test_the_cut_is_beside_what_is_usual() -> None:
    lengths = torch.arange(1, 101).double()  # median 50.5, MAD 25
    tokens = lengths[None, :, None] * torch.eye(3)[:1].double()

    assert metrics.patch_norm_outliers(tokens, cut=1.0) == pytest.approx(
        sum(n > 50.5 + 1.4826 * 25 for n in range(1, 101)) / 100
    )
    assert metrics.patch_norm_outliers(tokens) == 0.0


def test_all_numbers_of_patches_by_name() -> None:
    tokens, raw = clustered(4, 30), noise(4, 30, 8)
    before, anchor = (patch_grams(tokens + noise(4, 30, 32, seed=s)) for s in (1, 2))
    mask = torch.arange(120).reshape(4, 30) % 7 < 3

    found = patches(tokens, before=before, anchor=anchor, mask=mask, raw=raw)

    now = patch_grams(tokens)
    for name, since in (("gram_drift", before), ("anchor_distance", anchor)):
        for kind, chosen in (("", mask | True), ("_masked", mask), ("_unmasked", ~mask)):
            each = [metrics.gram_drift(*of) for of in zip(now, since, chosen, strict=True)]
            assert found.pop(f"{name}{kind}") == pytest.approx(sum(each) / 4)
    assert found.pop("patch_norm_outliers") == metrics.patch_norm_outliers(raw)
    assert found == {name: getattr(metrics, name)(tokens) for name in ALONE}


def test_the_matrices_that_are_there_already_are_taken() -> None:
    tokens = clustered(2, 10)
    given = PatchTokens(tokens, before=patch_grams(tokens), grams=torch.zeros(2, 10, 10))

    assert measured(given, PATCHES)[0]["gram_drift"] > 0.1


def test_grams_of_patches_have_nan_where_a_patch_has() -> None:
    tokens = clustered(2, 5).float()
    tokens[1, 2, 0], tokens[1, 4, 1] = math.inf, math.nan

    grams = patch_grams(tokens)

    assert grams.dtype == torch.float32
    assert grams[0].equal(metrics.gram_matrix(tokens[0]))
    assert grams[1].isnan().sum() == 5 * 5 - 3 * 3
    assert patches(tokens, before=grams)["gram_drift"] == 0.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"before": torch.ones(2, 9, 9)},
        {"before": torch.ones(3, 10, 10)},
        {"mask": torch.ones(2, 8, dtype=torch.bool)},
        {"mask": torch.ones(2, 10)},
    ],
    ids=["patches", "samples", "mask", "no mask"],
)
def test_a_number_that_fails_says_why_and_the_others_are_there(wrong: dict[str, Tensor]) -> None:
    tokens = clustered(2, 10)
    given = {"before": torch.ones(2, 10, 10), **wrong}

    numbers, failed = measured(PatchTokens(tokens, **given), PATCHES)

    assert numbers.keys() >= ALONE
    assert failed.keys() >= {"gram_drift_masked"} if "mask" in wrong else {"gram_drift"}
    assert all("Expected" in why and "but got" in why for why in failed.values())


@pytest.mark.parametrize("wrong", [torch.ones(3, 4), torch.ones(2, 3, 4, dtype=torch.int64)])
def test_only_floating_patches_of_samples_have_numbers(wrong: Tensor) -> None:
    for number in (*OF_TOKENS, patch_grams, patches):
        with pytest.raises(ValueError, match=r"`tokens` to be a floating-point \[S, T, D\] tensor"):
            number(wrong)
