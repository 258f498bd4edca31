"""Who the rows of an event are, and which numbers that allows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gramscope.events import Event
from gramscope.metrics import standard
from gramscope.monitor import Monitor
from tests.support import events


def noise(seed: int) -> Tensor:
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(seed))


SAMPLES = noise(0)
VIEWS = [SAMPLES + 0.1 * noise(seed) for seed in (1, 2)]
STACKED = torch.cat(VIEWS)
INTERLEAVED = torch.stack(VIEWS, dim=1).flatten(0, 1)


def event(
    features: Any = STACKED, key: Any = "f", *, max_samples: int = 128, **given: Any
) -> Event:
    """The one event of these features."""
    observed = {k: given.pop(k) for k in ("sample_id", "label", "draw") if k in given}
    monitor = Monitor(key, max_samples, **given)
    monitor.observe(step=1, features=features, **observed)
    (seen,) = monitor.close()
    assert seen.logged
    return seen


def saved(directory: Path) -> dict[str, Any]:
    with np.load(directory / "gram_matrix/step_00000001.npz") as file:
        return dict(file)


@pytest.mark.parametrize(
    ("features", "given"),
    [
        (STACKED, {"views": 2}),
        (INTERLEAVED, {"views": {"count": 2, "layout": "interleaved"}}),
        (INTERLEAVED, {"sample_id": list("aabbccddeeff")}),
        (STACKED, {"sample_id": torch.arange(6).repeat(2)}),
        (STACKED, {"views": 2, "sample_id": torch.arange(6) * 10**12}),  # one for each sample
    ],
)
def test_views_are_known_by_their_place_or_by_ids(features: Tensor, given: Any) -> None:
    seen = event(features, **given)

    expected = standard(STACKED, views=2)
    assert seen.metrics == pytest.approx(expected, rel=1e-5)
    assert "alignment" in expected
    assert seen.reason is None


def test_each_number_that_rows_do_not_allow_is_absent_with_its_reason() -> None:
    seen = event(SAMPLES)

    assert "alignment" not in seen.metrics
    assert {"alignment", "lidar", "shared_rank"} <= {*seen.absent["views of samples are not known"]}
    assert seen.absent["labels are not known"] == ["label_agreement"]


def test_the_file_tells_rank_index_view_sample_id_and_label_of_each_row(tmp_path: Path) -> None:
    event(
        INTERLEAVED,
        max_samples=6,
        views={"count": 2, "layout": "interleaved"},
        sample_id=[f"patient {i}" for i in range(6)],
        label=torch.tensor([0, 1, 0, 1, 0, 1]),
        save_dir=tmp_path,
    )

    rows = saved(tmp_path)
    assert rows["index"].tolist() == [0, 1, 4, 5, 8, 9]
    assert rows["view"].tolist() == [0, 1] * 3
    assert rows["sample"].tolist()[::2] == rows["sample"].tolist()[1::2]
    assert rows["sample_id"].tolist() == [f"patient {i}" for i in (0, 0, 2, 2, 4, 4)]
    assert rows["label"].tolist() == [0] * 6
    assert rows["rank"].tolist() == [0] * 6


def test_a_sampler_s_padding_is_neither_a_view_nor_a_duplicate() -> None:
    padded = torch.cat([SAMPLES, SAMPLES[:1]])

    known = event(padded, sample_id=[*range(6), 0])

    assert known.metrics["duplicate_share"] == 0
    assert "alignment" not in known.metrics
    assert event(padded).metrics["duplicate_share"] == pytest.approx(2 / 7)


def test_labels_of_near_rows_agree() -> None:
    near = torch.cat([SAMPLES, SAMPLES + 1e-3])

    assert event(near, label=["a", "b", "c", "d", "e", "f"] * 2).metrics["label_agreement"] == 1
    assert event(near, label=[*range(12)]).metrics["label_agreement"] == 0


@pytest.mark.parametrize(
    ("given", "remark"),
    [
        ({"label": [1, 2, 3]}, "label has 3 entries for 12 rows"),
        ({"label": torch.rand(12)}, "label is a tensor of shape [12] and torch.float32"),
        ({"label": torch.eye(12).long()}, "label is a tensor of shape [12, 12]"),
        ({"label": [None] * 12}, "label holds NoneType; expected integers, or texts"),
        ({"label": [2**80] * 12}, "label: "),
        ({"views": 2, "sample_id": [*range(12)]}, "they differ between views of one sample"),
        ({"sample_id": 7}, "sample_id is a int; expected one integer or text for each row"),
        ({"views": 5}, "views: 5 do not divide the 12 rows"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_cannot_be_used_is_left_out_and_said_once(
    given: Any, remark: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen = event(**given)

    assert remark in (seen.reason or "")
    assert seen.n == 12
    assert "effective_rank" in seen.metrics
    assert [r.levelno for r in caplog.records if remark in r.getMessage()] == [logging.WARNING]


def test_an_event_without_a_picture_has_the_same_numbers(tmp_path: Path) -> None:
    seen = event(views=2, draw=False, save_dir=tmp_path)

    assert seen.metrics == event(views=2).metrics
    assert not [*tmp_path.glob("**/*.npz"), *tmp_path.glob("**/*.png")]
    (line,) = events(tmp_path)
    assert (line["drawn"], line["status"], line["n"]) == (False, "logged", 12)


def test_only_the_numbers_that_are_asked_for_are_there() -> None:
    assert [*event(metrics=["spread"]).metrics] == ["spread"]
    assert len(event(metrics="gram").metrics) == 5
    several = {"teacher": STACKED, "student": STACKED * 2}
    seen = event(several, {r: r for r in several}, metrics=["spread", "teacher_student_cka"])
    assert {*seen.metrics} == {"teacher/spread", "student/spread", "teacher_student_cka"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metrics": ["effective_rnk"]}, "close to it are effective_rank"),
        ({"metrics": "all"}, "to be 'gram', 'standard' or a list of names, but got 'all'"),
        ({"views": 1}, "`views` to be the number of views of a sample, at least 2"),
        ({"views": {"count": 2, "layout": "braided"}}, "`layout` must be 'stacked' or"),
        ({"views": {"count": 4, "alike": 5}}, "`alike` must be at least 2 and at most 4"),
    ],
)
def test_what_cannot_be_is_refused_at_once(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Monitor("f", **given)


class TestSeveralFeatures:
    """Of the same rows."""

    KEYS = {"teacher_head": "t", "student_head": "s", "teacher_backbone": "b"}  # noqa: RUF012

    def test_each_has_its_numbers_and_together_they_say_more(self, tmp_path: Path) -> None:
        features = {"t": STACKED, "s": STACKED * 3 + 1, "b": STACKED[:, :5]}

        seen = event(features, self.KEYS, views=2, save_dir=tmp_path)

        for role, key in self.KEYS.items():
            of_role = {n: v for n, v in seen.metrics.items() if n.startswith(f"{role}/")}
            expected = {f"{role}/{n}": v for n, v in standard(features[key], views=2).items()}
            assert of_role == pytest.approx(expected, rel=1e-5)
        assert seen.metrics["head/teacher_student_cka"] == pytest.approx(1.0)
        assert "teacher/head_backbone_rank_ratio" in seen.metrics
        rows = saved(tmp_path)
        assert rows["roles"].tolist() == [*self.KEYS]
        assert rows["gram_teacher_backbone"].shape == (12, 12)

    def test_one_that_is_not_there_keeps_no_other_from_being_there(self) -> None:
        seen = event({"t": STACKED, "s": torch.zeros(3)}, self.KEYS)

        assert "teacher_head/spread" in seen.metrics
        assert "student_head: bad_shape" in (seen.reason or "")
        assert "teacher_backbone: missing_key" in (seen.reason or "")

    def test_one_of_nan_alone_keeps_no_other_from_being_there(self) -> None:
        seen = event({"t": STACKED, "s": STACKED * torch.nan, "b": STACKED}, self.KEYS)

        assert seen.metrics["student_head/nonfinite_rows"] == 12
        assert "student_head/spread" not in seen.metrics
        assert "teacher/head_backbone_cka" in seen.metrics
        assert seen.n == 12
