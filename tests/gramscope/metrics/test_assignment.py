"""Assignments against SciPy's entropies, both collapses and hostile numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gramscope.metrics import (
    assignment,
    assignment_entropy,
    sinkhorn_entropy_normalised,
    sinkhorn_knopp,
    teacher_entropy,
    teacher_entropy_normalised,
    teacher_student_kl,
)
from tests.gramscope.metrics.samples import FEATURES, WRONG_SHAPES, Array, array, digits, noise

Number = Callable[..., float]

NUMBERS: list[Number] = [teacher_entropy, teacher_entropy_normalised, assignment_entropy]


def assigned(logits: Tensor, temperature: float, centre: Tensor | float = 0.0) -> Array:
    shifted = array(logits) - np.asarray(centre)
    p: Array = scipy.special.softmax(shifted / temperature, axis=-1)
    return p


@pytest.mark.parametrize("temperature", [0.04, 0.5, 3.0])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("name", [name for name in FEATURES if name != "one column"])
def test_entropies_match_an_independent_computation(
    name: str, centred: bool, temperature: float
) -> None:
    x = FEATURES[name]
    centre = x.double().mean(dim=0) if centred else 0.0
    p = assigned(x, temperature, centre)
    each = scipy.stats.entropy(p, axis=1)

    actual = [number(x, temperature, centre) for number in NUMBERS]

    expected = [each.mean(), each.mean() / math.log(p.shape[1]), scipy.stats.entropy(p.mean(0))]
    assert actual == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", FEATURES)
def test_entropies_lie_within_their_ranges(name: str) -> None:
    x = FEATURES[name]
    n, k = x.shape

    one, all_ = teacher_entropy(x, 0.5), assignment_entropy(x, 0.5)

    assert 0 <= one <= all_ + 1e-12 <= math.log(k) + 1e-9
    assert all_ <= one + math.log(n) + 1e-12


@pytest.mark.parametrize(("k", "expected"), [(4096, 8.3178), (65536, 11.0903)])
def test_assignments_to_all_prototypes_have_the_logarithm_of_their_number(
    k: int, expected: float
) -> None:
    x = torch.full((2, k), 7.0)

    assert teacher_entropy(x) == pytest.approx(expected, abs=1e-4)
    assert assignment_entropy(x) == pytest.approx(expected, abs=1e-4)
    assert teacher_entropy_normalised(x) == pytest.approx(1.0)


def test_assignments_to_one_prototype_have_none() -> None:
    x = torch.zeros(5, 16)
    x[:, 3] = 100.0

    assert [number(x) for number in NUMBERS] == pytest.approx([0.0] * 3, abs=1e-12)


def test_sharp_assignments_to_different_prototypes_use_all_of_them() -> None:
    x = 100 * torch.eye(8)

    assert teacher_entropy(x) == pytest.approx(0.0, abs=1e-12)
    assert assignment_entropy(x) == pytest.approx(math.log(8))


@pytest.mark.parametrize("logits", [torch.zeros(6, 32), 100 * torch.eye(32)[:1].expand(6, -1)])
def test_in_both_collapses_the_student_has_nothing_left_to_learn(logits: Tensor) -> None:
    assert teacher_student_kl(logits, logits) == pytest.approx(0.0, abs=1e-9)


def test_a_binary_assignment_has_its_closed_form() -> None:
    x = torch.tensor([[math.log(3.0), 0.0]], dtype=torch.float64)  # shares 3/4 and 1/4

    expected = 2 * math.log(2) - 0.75 * math.log(3)

    assert teacher_entropy(x, 1.0) == pytest.approx(expected)
    assert teacher_entropy_normalised(x, 1.0) == pytest.approx(expected / math.log(2))
    assert teacher_entropy(x, 1.0, torch.tensor([math.log(3.0), 0.0])) == pytest.approx(math.log(2))


def test_defaults_are_a_teacher_of_temperature_four_hundredths_without_centre() -> None:
    x, y = noise(6, 5), noise(6, 5, seed=1)

    for number in NUMBERS:
        assert number(x) == number(x, 0.04, 0.0)
    assert teacher_student_kl(x, y) == teacher_student_kl(x, y, 0.04, 0.1, 0.0)


@pytest.mark.parametrize(("teachers", "students"), [(1, 3), (2, 2), (2, 6), (3, 2)])
def test_divergence_is_the_mean_over_pairs_of_different_views(teachers: int, students: int) -> None:
    t, s = noise(teachers, 7, 9), noise(students, 7, 9, seed=1)
    centre = noise(9, seed=2)
    found = []
    for i in range(teachers):
        for j in range(students):
            if i != j:
                p, q = assigned(t[i], 0.3, centre), assigned(s[j], 0.7)
                found.append(scipy.special.rel_entr(p, q).sum(axis=1).mean())

    assert teacher_student_kl(t, s, 0.3, 0.7, centre) == pytest.approx(np.mean(found))


@pytest.mark.parametrize("name", FEATURES)
def test_divergence_of_two_matrices_is_that_of_their_rows(name: str) -> None:
    t = FEATURES[name]
    s = noise(*t.shape, seed=4)
    expected = scipy.stats.entropy(assigned(t, 0.5), assigned(s, 0.2), axis=1).mean()

    assert teacher_student_kl(t, s, 0.5, 0.2) == pytest.approx(expected, abs=1e-9)
    assert teacher_student_kl(t, s[None], 0.5, 0.2) == pytest.approx(expected, abs=1e-9)
    assert teacher_student_kl(t[None], s, 0.5, 0.2) == pytest.approx(expected, abs=1e-9)


def test_divergence_and_entropy_add_up_to_the_loss() -> None:
    t, s, centre = digits(), digits().flip(0), digits().mean(dim=0)
    loss = cross_entropy(s.double() / 0.1, torch.from_numpy(assigned(t, 0.04, centre.double())))

    parts = teacher_entropy(t, centre=centre.double()), teacher_student_kl(t, s, centre=centre)

    assert sum(parts) == pytest.approx(float(loss), rel=1e-5)


def test_divergence_of_the_same_assignment_is_zero_and_else_above() -> None:
    x = noise(8, 20)

    assert teacher_student_kl(x, 2.5 * x + 1) == pytest.approx(0.0, abs=1e-12)  # .1 is 2.5 * .04
    assert teacher_student_kl(x, noise(8, 20, seed=1)) > 1


def test_the_students_logits_have_no_centre() -> None:
    x, centre = noise(4, 6), noise(6, seed=1)

    assert teacher_student_kl(x + centre, x, 0.1, 0.1, centre) == pytest.approx(0.0, abs=1e-12)


def test_assignments_of_no_sample_are_not_a_number() -> None:
    x = torch.empty(0, 4)

    assert all(math.isnan(number(x)) for number in NUMBERS)
    assert math.isnan(teacher_student_kl(x, x))
    assert math.isnan(teacher_student_kl(torch.empty(2, 0, 4), torch.empty(3, 0, 4)))


def test_one_and_the_same_view_alone_has_no_divergence() -> None:
    assert math.isnan(teacher_student_kl(noise(1, 5, 4), noise(1, 5, 4)))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_assignments_to_a_single_prototype(n: int) -> None:
    x = noise(n, 1)

    assert (teacher_entropy(x), assignment_entropy(x)) == (0.0, 0.0)
    assert math.isnan(teacher_entropy_normalised(x))
    assert teacher_student_kl(x, noise(n, 1, seed=1)) == 0.0


def test_of_one_sample_the_mean_assignment_is_its_own() -> None:
    x = noise(1, 12)

    assert assignment_entropy(x) == pytest.approx(teacher_entropy(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_assignments_of_lower_precision_are_those_of_the_same_numbers(dtype: torch.dtype) -> None:
    x, y = noise(6, 9).to(dtype), noise(6, 9, seed=1).to(dtype)

    for number in NUMBERS:
        assert number(x) == number(x.double())
    assert teacher_student_kl(x, y) == teacher_student_kl(x.double(), y.double())


@pytest.mark.parametrize("scale", [1e30, 1e300])
def test_huge_logits_choose_one_prototype_and_tiny_ones_all(scale: float) -> None:
    x = noise(6, 9)

    assert teacher_entropy(x * scale) == 0.0
    assert teacher_entropy(x / scale) == pytest.approx(math.log(9))
    assert assignment_entropy(x * scale) > 0
    assert teacher_student_kl(x * scale, x / scale) == pytest.approx(math.log(9))


def test_a_shift_of_a_samples_logits_changes_nothing() -> None:
    x = noise(6, 9)
    shift = 50 * noise(6, 1, seed=1)

    for number in NUMBERS:
        assert number(x + shift) == pytest.approx(number(x))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_assignments_of_logits_with_nan_or_inf_are_not_a_number(bad: float) -> None:
    x = noise(6, 9)
    x[2, 1] = bad

    assert all(math.isnan(number(x)) for number in NUMBERS)
    assert math.isnan(teacher_student_kl(x, noise(6, 9)))
    assert math.isnan(teacher_student_kl(noise(6, 9), x))


@pytest.mark.parametrize("bad", WRONG_SHAPES, ids=str)
@pytest.mark.parametrize("number", NUMBERS)
def test_entropies_name_what_is_wrong_with_their_argument(number: Number, bad: Tensor) -> None:
    with pytest.raises(ValueError, match=r"Expected `features` .* matrix, but got shape"):
        number(bad)


@pytest.mark.parametrize(
    ("teacher", "student"),
    [((2, 5, 4), (2, 6, 4)), ((5, 4), (5, 3)), ((2, 5, 4), (5, 3)), ((4,), (4, 4))],
)
def test_divergence_wants_logits_of_the_same_samples_and_prototypes(
    teacher: tuple[int, ...], student: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"same samples and prototypes, but got shapes \["):
        teacher_student_kl(noise(*teacher), noise(*student))


@pytest.mark.parametrize("shape", [(4,), (2, 3, 5, 4)])
def test_divergence_names_what_is_no_matrix(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"but got shape"):
        teacher_student_kl(noise(*shape), noise(*shape))


def balanced(logits: Tensor, temperature: float, iterations: int) -> Array:
    """SwAV's listing, with its constants, in extended precision."""
    q = np.exp(array(logits).astype(np.longdouble) / temperature).T
    q /= q.sum()
    k, n = q.shape
    for _ in range(iterations):
        q /= q.sum(axis=1, keepdims=True) * k
        q /= q.sum(axis=0, keepdims=True) * n
    p: Array = (q * n).T.astype(np.float64)
    return p


@pytest.mark.parametrize(("temperature", "iterations"), [(0.04, 3), (0.5, 1), (3.0, 10)])
@pytest.mark.parametrize(
    "name", [name for name in FEATURES if name not in ("digits", "one column")]
)
def test_sinkhorn_knopp_matches_the_published_listing(
    name: str, temperature: float, iterations: int
) -> None:
    x = FEATURES[name]
    expected = balanced(x, temperature, iterations)

    actual = sinkhorn_knopp(x, temperature, iterations)
    entropy = sinkhorn_entropy_normalised(x, temperature, iterations)

    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-9, atol=1e-12)
    each = scipy.stats.entropy(expected, axis=1) / math.log(x.shape[1])
    assert entropy == pytest.approx(each.mean(), rel=1e-9, abs=1e-12)


def test_sinkhorn_knopp_of_two_samples_and_two_prototypes_has_its_closed_form() -> None:
    x = torch.tensor([[2.0, 0.0], [1.0, 0.0]])  # a / (1 - a) = sqrt(e^2 / e) at its fixed point

    p = sinkhorn_knopp(x, 1.0, 50)

    a = 1 / (1 + math.exp(-0.5))
    assert p.flatten().tolist() == pytest.approx([a, 1 - a, 1 - a, a])


def test_sinkhorn_knopp_uses_all_prototypes_though_samples_prefer_one() -> None:
    x = noise(32, 8)
    x[:, 3] += 20

    assert assignment_entropy(x) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(sinkhorn_knopp(x, 1.0, 30).sum(dim=0), 4.0, atol=1e-3)


@pytest.mark.parametrize("alike", [torch.zeros(6, 16), 100 * torch.eye(16)[:1].expand(6, -1)])
def test_sinkhorn_targets_of_alike_samples_are_all_prototypes(alike: Tensor) -> None:
    assert sinkhorn_entropy_normalised(alike) == pytest.approx(1.0)


def test_sinkhorn_targets_of_samples_with_prototypes_of_their_own_are_one() -> None:
    assert sinkhorn_entropy_normalised(torch.eye(8)) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e4, 1e300])
def test_sinkhorn_targets_of_extreme_logits_are_shares(scale: float) -> None:
    p = sinkhorn_knopp(noise(9, 5) * scale, iterations=20)

    torch.testing.assert_close(p.sum(dim=1), torch.ones(9, dtype=torch.float64))
    assert p.min() >= 0


def test_sinkhorn_targets_of_what_there_is_not() -> None:
    assert sinkhorn_knopp(torch.empty(0, 4)).shape == (0, 4)
    assert math.isnan(sinkhorn_entropy_normalised(torch.empty(0, 4)))
    assert sinkhorn_knopp(noise(3, 1)).tolist() == [[1.0]] * 3
    assert math.isnan(sinkhorn_entropy_normalised(noise(3, 1)))
    assert math.isnan(sinkhorn_entropy_normalised(torch.full((3, 2), math.nan)))
    with pytest.raises(ValueError, match=r"Expected `features` .* matrix, but got shape"):
        sinkhorn_knopp(torch.ones(3))
    with pytest.raises(ValueError, match="Expected `iterations` to be at least 1, but got 0"):
        sinkhorn_knopp(noise(3, 2), iterations=0)


@pytest.mark.parametrize(("teachers", "students"), [(1, 2), (2, 2), (2, 6)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_an_events_assignments_are_those_of_each_number(
    teachers: int, students: int, dtype: torch.dtype
) -> None:
    t, s = noise(teachers, 7, 9).to(dtype), noise(students, 7, 9, seed=1).to(dtype)
    centre, rows = noise(9, seed=2), t.flatten(0, 1)

    found = assignment(
        t, s, temperature=0.3, student_temperature=0.7, centre=centre, sinkhorn_iterations=2
    )

    assert found == pytest.approx(
        {
            **{number.__name__: number(rows, 0.3, centre) for number in NUMBERS},
            "teacher_student_kl": teacher_student_kl(t, s, 0.3, 0.7, centre),
            "sinkhorn_entropy_normalised": sinkhorn_entropy_normalised(rows, 0.3, 2),
        }
    )


def test_an_event_without_sinkhorn_knopp_has_no_number_of_it() -> None:
    x = noise(2, 5, 4)

    found = assignment(x, x, temperature=0.1, student_temperature=0.1)

    assert "sinkhorn_entropy_normalised" not in found
    assert len(found) == 4


def test_samples_with_nan_in_one_of_their_views_leave_the_others_as_they_are() -> None:
    t, s = noise(2, 6, 4), noise(3, 6, 4, seed=1)
    hurt = t.clone(), s.clone()
    hurt[0][1, 2, 0], hurt[1][2, 4, 1] = math.nan, math.inf
    keep = [0, 1, 3, 5]
    settings = {"temperature": 0.1, "student_temperature": 0.2, "sinkhorn_iterations": 3}

    found = assignment(*hurt, **settings)

    assert found == pytest.approx(assignment(t[:, keep], s[:, keep], **settings))


@pytest.mark.parametrize(
    ("teacher", "student", "names"),
    [
        ((2, 0, 4), (2, 0, 4), set()),
        ((0, 5, 4), (2, 5, 4), set()),
        ((1, 5, 4), (1, 5, 4), {number.__name__ for number in NUMBERS}),
        ((2, 5, 1), (2, 5, 1), {"teacher_entropy", "assignment_entropy", "teacher_student_kl"}),
    ],
)
def test_an_events_assignments_that_have_no_value_are_left_out(
    teacher: tuple[int, ...], student: tuple[int, ...], names: set[str]
) -> None:
    found = assignment(noise(*teacher), noise(*student), temperature=1, student_temperature=1)

    assert found.keys() == names


@pytest.mark.parametrize(
    ("teacher", "student"), [((5, 4), (5, 4)), ((2, 5, 4), (5, 4)), ((2, 5, 4), (2, 6, 4))]
)
def test_an_events_assignments_want_views_of_the_same_samples(
    teacher: tuple[int, ...], student: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"same samples and prototypes, but got shapes \["):
        assignment(noise(*teacher), noise(*student), temperature=1, student_temperature=1)
