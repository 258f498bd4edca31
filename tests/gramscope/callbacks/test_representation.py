"""Several features in one event, numbers between pictures, and what model and batch declare."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gramscope.callbacks import GramMatrixCallback, RepresentationMonitor
from gramscope.metrics import assignment
from tests.support import TinySSL, events, trainer

FEATURES = {
    "teacher_head": "teacher_cls_token",
    "teacher_backbone": "teacher_cls_token_backbone",
    "student_head": "student_cls_token",
}


class Views(nn.Module):
    """Four samples with two stacked views as a teacher has them; six views of the student's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        head = self.layer(x)
        student = torch.cat([head, *[head[:4] * 0.5] * 4])
        return {
            "teacher_cls_token": head,
            "teacher_cls_token_backbone": x,
            "student_cls_token": student,
        }


class Declares(TinySSL):
    """Says what its rows are."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.model = Views()
        self.center = torch.full((8,), 0.1)

    def feature_views(self, batch: Tensor) -> dict[str, Any]:
        two = dict.fromkeys(["teacher_cls_token", "teacher_cls_token_backbone"], 2)
        return {**two, "student_cls_token": {"count": 6, "alike": 2}}

    def dino_assignment(self, batch: Tensor) -> dict[str, Any]:
        return {
            "teacher": "teacher_cls_token",
            "student": "student_cls_token",
            "teacher_temperature": 0.1,
            "student_temperature": 0.2,
            "center": self.center,
            "sinkhorn_iterations": 3,
        }


def watch(directory: Path, model: TinySSL, **settings: Any) -> RepresentationMonitor:
    callback = RepresentationMonitor(4, FEATURES, save_dir=directory / "gram", **settings)
    trainer(directory, [callback], max_steps=4).fit(model)
    return callback


def test_a_model_that_says_its_views_and_assignment_gets_their_numbers(tmp_path: Path) -> None:
    callback = watch(tmp_path, Declares(), metrics_every_n_steps=None)

    assert callback.outcomes == {"logged": 1}
    found = callback.latest
    for role in FEATURES:
        assert {f"{role}/alignment", f"{role}/effective_rank"} <= found.keys()
    assert found["head/teacher_student_cka"] == pytest.approx(1.0)
    names = assignment(
        *torch.zeros(2, 2, 4, 8), temperature=1, student_temperature=1, sinkhorn_iterations=1
    )
    assert names.keys() <= found.keys()
    (verdict, _), (label, said), *_ = callback.findings
    assert (verdict, label) == ("diagnosis", "teacher head")
    assert "of 7, views share" in said


def test_numbers_come_more_often_than_pictures_at_the_steps_that_were_asked_for(
    tmp_path: Path,
) -> None:
    callback = GramMatrixCallback(6, metrics_every_n_steps=4, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], max_steps=13).fit(TinySSL())

    lines = events(tmp_path / "gram")
    assert [(e["step"], e["drawn"]) for e in lines] == [
        *[(4, False), (6, True)],
        *[(8, False), (12, True)],
    ]
    assert all(e["metrics"] and e["status"] == "logged" for e in lines)
    drawn = sorted(p.stem for p in (tmp_path / "gram/gram_matrix").glob("*.png"))
    assert drawn == ["step_00000006", "step_00000012"]


def test_loggers_get_the_numbers_of_steps_without_a_picture(tmp_path: Path) -> None:
    from pytorch_lightning.loggers import CSVLogger

    callback = GramMatrixCallback(100, metrics_every_n_steps=2, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], logger=CSVLogger(tmp_path), max_steps=6).fit(TinySSL())

    (record,) = tmp_path.glob("**/metrics.csv")
    header, *rows = (line.split(",") for line in record.read_text().splitlines())
    place = header.index("representation/spread")
    steps = [int(row[header.index("step")]) for row in rows if row[place]]
    assert len(steps) == 3
    assert callback.outcomes == {"logged": 3}


class Labelled(TinySSL):
    """Batches of features and labels."""

    def __init__(self) -> None:
        super().__init__()
        data = torch.utils.data.TensorDataset(torch.randn(64, 8), torch.arange(64) % 2)
        self.loader = torch.utils.data.DataLoader(data, batch_size=8)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return super().training_step(batch[0], batch_idx)


def test_labels_come_from_the_batch(tmp_path: Path) -> None:
    callback = GramMatrixCallback(2, label_key="1", save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], max_steps=2).fit(Labelled())

    assert 0 <= callback.latest["label_agreement"] <= 1


@pytest.mark.parametrize(
    ("settings", "remark"),
    [
        ({"label_key": "y"}, "label_key='y' is not in the batch; there is: 0, 1"),
        ({"sample_id_key": "0"}, "sample_id is a tensor of shape [8, 8]"),
    ],
)
def test_an_identity_that_no_batch_has_is_said_once_with_what_is_there(
    tmp_path: Path, settings: Any, remark: str, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram", **settings)

    trainer(tmp_path, [callback], max_steps=6).fit(Labelled())

    assert callback.outcomes == {"logged": 3}
    assert remark in events(tmp_path / "gram")[0]["reason"]
    assert [r.levelno for r in caplog.records if remark in r.getMessage()] == [logging.WARNING]


@pytest.mark.parametrize("method", ["feature_views", "dino_assignment"])
def test_a_model_that_fails_to_say_what_its_rows_are_trains_on(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Any, batch: Any) -> Any:
        raise RuntimeError("no idea")

    monkeypatch.setattr(Declares, method, fails)

    callback = watch(tmp_path, Declares())

    assert callback.outcomes == {"logged": 1}
    assert f"{method}: RuntimeError('no idea')" in events(tmp_path / "gram")[0]["reason"]
    assert "teacher_head/spread" in callback.latest


def test_views_that_nobody_declared_are_proposed_once_and_not_assumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Undeclared(TinySSL):
        def training_step(self, batch: Tensor, batch_idx: int) -> Any:
            view = batch.repeat_interleave(2, dim=0)
            outputs = self.model.layer(view + 0.1 * torch.randn_like(view))
            return {"loss": outputs.square().mean(), "f": outputs.detach()}

    model = Undeclared(batch_size=16, lr=1e-3)
    model.model = Views()
    callback = GramMatrixCallback(1, "f", save_dir=tmp_path / "gram")
    with caplog.at_level(logging.INFO):
        trainer(tmp_path, [callback], max_steps=8).fit(model)

    (said,) = [r.getMessage() for r in caplog.records if "interleaved" in r.getMessage()]
    assert "views" in said
    assert "alignment" not in callback.latest


def test_beside_several_features_a_single_one_keeps_its_names(tmp_path: Path) -> None:
    several = RepresentationMonitor(4, FEATURES, save_dir=tmp_path / "gram")
    single = GramMatrixCallback(4, save_dir=tmp_path / "gram")

    trainer(tmp_path, [several, single], max_steps=4).fit(Declares())

    keys = [e["log_key"] for e in events(tmp_path / "gram")]
    assert sorted(keys) == ["gram_matrices", "gram_matrix"]
    assert single.latest["spread"] == pytest.approx(several.latest["teacher_head/spread"])
    assert single.state_key != several.state_key
