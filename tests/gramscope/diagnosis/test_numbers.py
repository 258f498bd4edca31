"""The table of numbers, and what is read out of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gramscope.diagnosis import NUMBERS, Number, format_number, number_of, with_ceiling
from gramscope.metrics.batch import Batch, stacked
from gramscope.metrics.patches import PATCHES, PatchTokens, patch_grams
from gramscope.metrics.standard import STANDARD

NOISE = torch.randn(16, 12, generator=torch.Generator().manual_seed(0))
LINE = NOISE[:, :1] * NOISE[:1]


def test_the_table_has_what_is_computed_of_one_feature_and_nothing_else() -> None:
    of_time = {"gram_drift", "gram_drift_first", "neighbours_gained", "neighbours_lost"}
    assert {n.name for n in NUMBERS.values() if n.needs == "probe"} == of_time
    known = {n.name for n in NUMBERS.values() if not n.joint}
    assert known == STANDARD.keys() | PATCHES.keys() | of_time


@pytest.mark.parametrize(
    "rows",
    [NOISE, LINE, LINE.sign(), torch.ones(16, 12), torch.eye(16), NOISE[:2], 1e-4 * NOISE + 1],
    ids=["noise", "line", "two points", "one point", "orthogonal", "two rows", "around one point"],
)
def test_values_are_within_their_range(rows: Tensor) -> None:
    sample, view = stacked(len(rows), 2)
    batch = Batch(rows, sample=sample, view=view, label=sample % 3)

    for name, measure in STANDARD.items():
        value, number = measure(batch), NUMBERS[name]
        if value == value:
            assert number.low - 1e-5 <= value <= number.high + 1e-5, name


@pytest.mark.parametrize("rows", [NOISE, LINE, torch.eye(16), 1e-4 * NOISE + 1])
def test_values_of_patches_are_within_their_range(rows: Tensor) -> None:
    tokens, before = rows.reshape(2, 8, -1), patch_grams(NOISE.reshape(2, 8, -1))
    mask = torch.arange(16).reshape(2, 8) < 6
    given = PatchTokens(tokens, before=before, anchor=-before, mask=mask, raw=tokens)

    for name, measure in PATCHES.items():
        value, number = measure(given), NUMBERS[name]
        if value == value:
            assert number.low - 1e-5 <= value <= number.high + 1e-5, name


@pytest.mark.parametrize("number", NUMBERS.values(), ids=lambda n: n.name)
def test_a_row_is_whole_sentences_for_any_terminal(number: Number) -> None:
    for text in (number.sentence, number.why):
        assert text.isascii()
        assert text.endswith(".")
        assert "|" not in text  # it stands in tables


@pytest.mark.parametrize("prefix", ["", "teacher_head/", "representation/a/b/"])
def test_a_number_is_found_whatever_stands_before_its_name(prefix: str) -> None:
    metrics = {f"{prefix}effective_rank": 12.345, f"{prefix}rank_ceiling": 63.0}
    key = f"{prefix}effective_rank"

    assert number_of(key) is NUMBERS["effective_rank"]
    assert format_number(key, 12.345) == "12.3"
    assert with_ceiling(key, metrics) == "12.3 of 63"
    # Another feature's ceiling is not this one's.
    assert with_ceiling(key, {key: 12.345, "other/rank_ceiling": 63.0}) == "12.3"


def test_what_the_table_does_not_know_has_four_digits() -> None:
    assert number_of("loss") is None
    assert number_of("offdiag_mean/loss") is None
    assert with_ceiling("loss", {"loss": 1.23456}) == "1.235"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("offdiag_mean", "-1 to 1"),
        ("effective_rank", "0 to rank_ceiling"),
        ("teacher_entropy", "0 to ln K"),
        ("teacher_student_kl", "0 and up"),
        ("view_correlation_z", "any"),
        ("uniformity_w2", "0 to 1.414"),
    ],
)
def test_a_range_in_words(name: str, expected: str) -> None:
    assert NUMBERS[name].range == expected
