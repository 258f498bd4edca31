"""Where features come from, and what is said when there are none."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from gramscope.callbacks import GramMatrixCallback
from gramscope.monitor.isolation import undisturbed
from tests.support import TinyNet, TinySSL, events, trainer


def gram(directory: Path, step: int) -> Any:
    return np.load(directory / f"gram/gram_matrix/step_{step:08d}.npz")["gram"]


def cosine(features: Tensor) -> Any:
    z = torch.nn.functional.normalize(features.detach().double(), dim=1)
    return (z @ z.T).float().numpy()


class Recorder(TinySSL):
    """Keeps what it computed, for comparison."""

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        outputs = self.model(batch)
        self.seen = {k: v.detach().clone() for k, v in outputs.items() if k != "pred"}
        self.model(batch * 0 + 1)  # a second pass, which must not be mistaken for the first
        self.backbone = self.seen["teacher_cls_token_backbone"]
        loss = outputs["teacher_cls_token"].square().mean()
        if self.returns == "loss":
            return loss
        return {"loss": loss, "teacher_cls_token": outputs["student_cls_token"] + 1, "nested": {}}


@pytest.mark.parametrize(
    ("arguments", "returns", "feature"),
    [
        ({}, "loss", "teacher_cls_token"),
        ({"capture": "forward_hook"}, "loss", "teacher_cls_token"),
        ({"feature_key": "pred.teacher_cls_token"}, "loss", "teacher_cls_token"),
        ({"feature_key": "tokens"}, "loss", "teacher_cls_token"),  # [N, T, D]: token 0
        ({"module": "model.encoder"}, "loss", "teacher_cls_token_backbone"),  # a bare tensor
        ({}, "dict", "from_step"),  # outputs win over the hook
        ({"capture": "outputs"}, "dict", "from_step"),
        ({"capture": "forward_hook"}, "dict", "teacher_cls_token"),
    ],
    ids=str,
)
def test_the_matrix_is_that_of_the_features_of_the_step(
    tmp_path: Path, arguments: dict[str, Any], returns: str, feature: str
) -> None:
    module = Recorder(returns=returns)
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram", **arguments)

    trainer(tmp_path, [callback], max_steps=2).fit(module)

    seen = {**module.seen, "from_step": module.seen["student_cls_token"] + 1}
    np.testing.assert_allclose(gram(tmp_path, 2), cosine(seen[feature]), atol=1e-6)


def test_an_extra_forward_sees_the_model_in_evaluation_mode(tmp_path: Path) -> None:
    module = TinySSL(lr=0.0)
    module.model = net = TinyNet(draws=False)
    net.encoder[1].momentum = 0.0  # type: ignore[assignment]
    callback = GramMatrixCallback(1, capture="extra_forward", save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], max_steps=1).fit(module)

    batch = next(iter(module.loader))
    features = net.eval()(batch)["teacher_cls_token"]
    np.testing.assert_allclose(gram(tmp_path, 1), cosine(features), atol=1e-5)


@pytest.mark.parametrize("capture", ["auto", "outputs", "forward_hook", "extra_forward"])
def test_a_missing_key_is_warned_of_once_and_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capture: str
) -> None:
    callback = GramMatrixCallback(2, "techer", capture=capture, save_dir=tmp_path / "gram")

    with caplog.at_level(logging.WARNING, "gramscope"):
        fit = trainer(tmp_path, [callback], max_steps=8)
        fit.fit(TinySSL(returns="dict"))

    (warning,) = [r.getMessage() for r in caplog.records]
    assert "feature_key='techer'" in warning
    there = "from_step" if capture == "outputs" else "teacher_cls_token, teacher_cls_token_backbone"
    assert there in warning
    # A forward pass of its own is not the training's first.
    assert f"at step {2 if capture == 'extra_forward' else 1}" in warning
    assert fit.global_step == 8
    assert callback.outcomes == {"missing_key": 4}
    assert [(e["step"], e["status"], e["reason"]) for e in events(tmp_path / "gram")] == [
        (s, "skipped", "missing_key") for s in (2, 4, 6, 8)
    ]


def test_a_missing_module_is_warned_of_with_those_that_are_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GramMatrixCallback(2, module="model.encodr", save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], max_steps=2).fit(TinySSL())

    assert "TinyNet has no submodule 'encodr'; its submodules: encoder, head" in caplog.text
    assert callback.outcomes == {"no_such_module": 1}


class WithAlias(TinySSL):
    """Knows its model by two names."""

    def __init__(self) -> None:
        super().__init__()
        net = self.model
        del self.model
        self.backbone = net
        self.model = net


def test_a_module_with_two_names_is_found_by_either(tmp_path: Path) -> None:
    callbacks = [
        GramMatrixCallback(2, module=name, save_dir=tmp_path / "gram")
        for name in (None, "backbone", "model")
    ]

    trainer(tmp_path, list(callbacks), max_steps=2).fit(WithAlias())

    assert [c.outcomes for c in callbacks] == [{"logged": 1}] * 3


@pytest.mark.parametrize("every", [1, 4])
def test_a_module_that_is_not_called_is_named_with_some_that_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, every: int
) -> None:
    class Idle(TinySSL):
        def __init__(self) -> None:
            super().__init__()
            self.idle = TinyNet()

    callback = GramMatrixCallback(every, module="idle", save_dir=tmp_path / "gram")

    with caplog.at_level(logging.INFO, "gramscope"):
        trainer(tmp_path, [callback], max_steps=4).fit(Idle())

    assert "the watched module, idle, was not called during the step" in caplog.text
    assert "These ran: model, model.encoder, model.head." in caplog.text
    assert callback.outcomes == {"not_called": 4 // every}


@pytest.mark.parametrize("in_place", [True, False])
def test_a_compiled_model_is_watched(tmp_path: Path, in_place: bool) -> None:
    module = TinySSL()
    module.model = TinyNet(draws=False)
    if in_place:
        module.model.compile(backend="eager")
    else:
        module.model = torch.compile(module.model, backend="eager")  # type: ignore[assignment]
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], max_steps=4).fit(module)

    assert callback.outcomes == {"logged": 2}


def test_half_precision_features_are_watched(tmp_path: Path) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], max_steps=2, precision="bf16-mixed").fit(TinySSL())

    assert callback.outcomes == {"logged": 1}


def test_rows_that_are_not_finite_are_left_out_and_counted(tmp_path: Path) -> None:
    class Broken(TinySSL):
        def training_step(self, batch: Tensor, batch_idx: int) -> Any:
            outputs = self.model(batch)
            features = outputs["teacher_cls_token"].detach().clone()
            features[3] = float("nan") if batch_idx == 0 else float("inf")
            if batch_idx == 2:
                features[:] = float("nan")
            return {"loss": outputs["teacher_cls_token"].mean(), "f": features}

    callback = GramMatrixCallback(1, "f", save_dir=tmp_path / "gram")
    trainer(tmp_path, [callback], max_steps=3).fit(Broken())

    found = events(tmp_path / "gram")
    assert [e["n"] for e in found] == [7, 7, 0]
    assert [e["metrics"].get("nonfinite_rows") for e in found] == [1, 1, 8]
    assert [e["reason"] for e in found] == ["1 rows with NaN or Inf left out"] * 2 + ["nonfinite"]


class Plainest(TinySSL):
    """Its model returns the features themselves, its `forward` a mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Linear(8, 8)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"teacher_cls_token": self.model(x) + 1}

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        self.model(batch)
        return self(batch)["teacher_cls_token"].square().mean()


def test_a_bare_tensor_is_answered_with_what_to_write(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], max_steps=2).fit(Plainest())

    assert "there is: one tensor [8, 8] without a key, which is watched under a " in caplog.text
    assert "feature_key='embedding'" in caplog.text


class CallsItself(Plainest):
    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        return self.__call__(batch)["teacher_cls_token"].square().mean()


@pytest.mark.parametrize(
    "arguments", [{"feature_key": "embedding"}, {"module": "model"}, {"module": "."}], ids=str
)
def test_what_is_to_be_written_works(tmp_path: Path, arguments: dict[str, Any]) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram", **arguments)

    trainer(tmp_path, [callback], max_steps=2).fit(CallsItself())

    assert callback.outcomes == {"logged": 1}


class Labelled(Tensor):
    """A subclass that does not let anybody but training's thread touch it, as it were."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert threading.current_thread() is threading.main_thread()
        return super().__torch_function__(func, types, args, kwargs or {})


class OfASubclass(TinySSL):
    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        with torch.inference_mode(batch_idx == 0):
            features = self.model(batch)["teacher_cls_token"].detach().clone()
        return {"loss": loss, "features": features.as_subclass(Labelled)}


def test_tensor_subclasses_and_inference_mode_reach_no_other_thread(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1, "features", save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], max_steps=4).fit(OfASubclass())

    assert callback.outcomes == {"logged": 4}


class LooksAhead(pl.Callback):
    """Calls the model itself at the batch's start, after every other callback."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any) -> None:
        with undisturbed(pl_module):
            pl_module.model(torch.ones(8, 8))


def test_a_forward_pass_of_another_callback_is_not_taken_for_the_step_s(tmp_path: Path) -> None:
    module = Recorder()
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback, LooksAhead()], max_steps=2).fit(module)

    expected = cosine(module.seen["teacher_cls_token"])
    np.testing.assert_allclose(gram(tmp_path, 2), expected, atol=1e-6)
