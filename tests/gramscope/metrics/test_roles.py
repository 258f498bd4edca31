"""What several features of the same rows say together, against each number's own function."""

from __future__ import annotations

import math

import pytest
from torch import Tensor

from gramscope import metrics
from gramscope.metrics.batch import Batch
from gramscope.metrics.roles import joint
from tests.gramscope.metrics.samples import FEATURES, noise, one_point


def expected(name: str, over: Tensor, under: Tensor) -> dict[str, float]:
    return {
        f"{name}_cka": metrics.linear_cka(over, under),
        f"{name}_gram_distance": metrics.gram_distance(over, under),
        f"{name}_rank_ratio": metrics.effective_rank(over) / metrics.effective_rank(under),
    }


@pytest.mark.parametrize("name", [n for n, x in FEATURES.items() if min(x.shape) > 3])
def test_each_pair_of_roles_has_the_numbers_of_its_functions(name: str) -> None:
    head = FEATURES[name]
    backbone = head.double() + 0.5 * noise(*head.shape, seed=3)
    teacher, student = (noise(len(head), 6, seed=i) + 2 for i in (4, 5))
    roles = {"head": head, "backbone": backbone, "teacher_cls": teacher, "student_cls": student}

    found = joint({role: Batch(x) for role, x in roles.items()})

    assert found == pytest.approx(
        expected("head_backbone", head, backbone)
        | expected("cls/teacher_student", student, teacher),
        abs=1e-6,
    )


@pytest.mark.parametrize(
    ("roles", "pairs"),
    [
        (["teacher", "student"], {"teacher_student"}),
        (["student", "teacher"], {"teacher_student"}),
        (["head", "backbone"], {"head_backbone"}),
        (
            ["teacher_head", "teacher_backbone", "student_head", "student_backbone"],
            {f"{of}/teacher_student" for of in ("head", "backbone")}
            | {f"{of}/head_backbone" for of in ("teacher", "student")},
        ),
        (["teacher_a", "student_b", "teacher", "head", "a_backbone"], set()),
        (["teachers", "students", "ahead", "abackbone"], set()),
        ([], set()),
    ],
    ids=lambda given: " ".join(sorted(given)),
)
def test_roles_are_paired_by_name(roles: list[str], pairs: set[str]) -> None:
    batches = {role: Batch(noise(12, 5, seed=seed)) for seed, role in enumerate(roles)}

    assert {name.removesuffix("_cka") for name in joint(batches) if "cka" in name} == pairs


def test_only_rows_that_are_finite_in_both_count() -> None:
    teacher, student = noise(12, 5), noise(12, 5, seed=1)
    hurt = [teacher.clone(), student.clone()]
    hurt[0][2, 1], hurt[1][7, 0] = math.nan, math.inf
    keep = [i for i in range(12) if i not in (2, 7)]

    found = joint({"teacher": Batch(hurt[0]), "student": Batch(hurt[1])})

    assert found == pytest.approx(
        expected("teacher_student", student[keep], teacher[keep]), abs=1e-6
    )


def test_features_that_only_differ_in_scale_and_place_are_the_same() -> None:
    x = noise(20, 6)

    found = joint({"head": Batch(3 * x), "backbone": Batch(x)})

    assert found == pytest.approx(
        {"head_backbone_cka": 1, "head_backbone_gram_distance": 0, "head_backbone_rank_ratio": 1}
    )


def test_a_rank_ratio_is_that_of_the_head_over_the_backbone_and_the_student_over_the_teacher() -> (
    None
):
    line, plane = noise(20, 1) @ noise(1, 6), noise(20, 6)
    roles = {"head": line, "backbone": plane, "teacher": plane, "student": line}

    found = joint({role: Batch(x) for role, x in roles.items()})

    ranks = 1 / metrics.effective_rank(plane)
    assert found["head_backbone_rank_ratio"] == pytest.approx(ranks, abs=1e-5)
    assert found["teacher_student_rank_ratio"] == pytest.approx(ranks, abs=1e-5)


def test_values_that_are_not_there_are_left_out() -> None:
    collapsed, sound = Batch(one_point(12, 5)), Batch(noise(12, 5))

    assert joint({"head": sound, "backbone": collapsed}).keys() == {"head_backbone_gram_distance"}
    assert joint({"head": collapsed, "backbone": sound})["head_backbone_rank_ratio"] == 0.0
    nothing = Batch(noise(3, 5) * math.nan)
    assert joint({"head": nothing, "backbone": nothing}) == {}


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_rows_give_what_they_can(n: int) -> None:
    found = joint({"teacher": Batch(noise(n, 4)), "student": Batch(noise(n, 4, seed=1))})

    assert len(found) == min(n, 2)
    assert "teacher_student_cka" not in found


def test_features_of_other_rows_are_no_pair() -> None:
    assert joint({"teacher": Batch(noise(8, 4)), "student": Batch(noise(24, 4))}) == {}
