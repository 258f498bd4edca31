"""What is said at the first step, and of a run in which nothing is ever due."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from gramscope.callbacks import GramMatrixCallback
from tests.support import TinyNet, TinySSL, events, trainer


def fit(directory: Path, module: Any, *callbacks: Any, **arguments: Any) -> Any:
    pl.seed_everything(0, verbose=False)
    fitted = trainer(directory, list(callbacks), **arguments)
    fitted.fit(module)
    return fitted


class TestRehearsal:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (
                {"feature_key": "techer"},
                "no output has feature_key='techer'; there is: teacher_",
            ),
            ({"feature_key": "tokens", "pool": 2}, "there are tokens 0 to 1, and pool=2 is none"),
            ({"module": "model.encodr"}, "no submodule 'encodr'; its submodules: encoder, head"),
        ],
        ids=["key", "shape", "module"],
    )
    @pytest.mark.parametrize("accumulate", [1, 3])
    def test_what_is_wrong_is_said_at_the_first_step_and_counts_nowhere(
        self,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        arguments: dict[str, Any],
        says: str,
        accumulate: int,
    ) -> None:
        callback = GramMatrixCallback(10, save_dir=tmp_path / "gram", **arguments)

        with caplog.at_level(logging.WARNING, "gramscope"):
            fit(tmp_path, TinySSL(), callback, max_steps=11, accumulate_grad_batches=accumulate)

        (said,) = caplog.messages
        assert "gram_matrix at step 1: " in said
        assert says in said
        assert [e["step"] for e in events(tmp_path / "gram")] == [10]
        assert sum(callback.outcomes.values()) == 1

    def test_it_changes_nothing(self, tmp_path: Path) -> None:
        watched, alone = TinySSL(), TinySSL()
        alone.load_state_dict(watched.state_dict())

        fit(tmp_path, alone, max_steps=3)
        callback = GramMatrixCallback(100, save_dir=tmp_path / "gram")
        fit(tmp_path, watched, callback, max_steps=3)

        assert watched.losses == alone.losses
        assert callback.overhead_ms == {}
        assert not any(module._forward_hooks for module in watched.modules())

    def test_a_module_that_runs_several_times_is_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        callback = GramMatrixCallback(100, save_dir=tmp_path / "gram")

        with caplog.at_level(logging.INFO, "gramscope"):
            fit(tmp_path, TwoViews(), callback, max_steps=2)

        assert "model ran 2 times in a step, and its first call is watched; `calls: all`" in (
            caplog.text
        )


class TestTooShort:
    def test_a_run_that_will_end_before_anything_is_due_says_both_steps_at_its_start(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        callback = GramMatrixCallback(100, save_dir=tmp_path / "gram")

        with caplog.at_level(logging.WARNING, "gramscope"):
            fit(tmp_path, TinySSL(batches=8), callback, max_steps=-1, max_epochs=2)

        assert caplog.messages == [
            "teacher_cls_token: training ends at step 16, before the first step that is due, 100 "
            "(log_every_n_steps=100): nothing is logged. Lower it."
        ]

    def test_a_run_that_has_ended_before_says_so_then(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Stops(TinySSL):
            def on_train_batch_end(self, *_: Any) -> None:
                self.trainer.should_stop = self.trainer.global_step >= 3

        callback = GramMatrixCallback(100, metrics_every_n_steps=7, save_dir=tmp_path / "gram")

        with caplog.at_level(logging.WARNING, "gramscope"):
            fit(tmp_path, Stops(), callback, max_steps=1000)

        (said,) = caplog.messages
        assert "has ended at step 3, before the first step that is due, 7" in said
        assert "(metrics_every_n_steps=7)" in said

    @pytest.mark.parametrize("arguments", [{"fast_dev_run": 2}, {"max_steps": 7}], ids=str)
    def test_a_try_and_a_run_with_an_event_are_not_told(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, arguments: dict[str, Any]
    ) -> None:
        callback = GramMatrixCallback(7, save_dir=tmp_path / "gram")

        with caplog.at_level(logging.WARNING, "gramscope"):
            fit(tmp_path, TinySSL(), callback, **arguments)

        assert caplog.messages == []


PLAIN = """
import sys, tempfile
from gramscope.callbacks import GramMatrixCallback
from tests.support import TinySSL, trainer
directory = tempfile.mkdtemp()
trainer(directory, [GramMatrixCallback(2, save_dir=directory)], max_steps=4).fit(TinySSL())
"""


def test_the_summary_is_seen_where_nobody_has_configured_logging() -> None:
    run = [sys.executable, "-W", "ignore", "-c", PLAIN]
    done = subprocess.run(run, capture_output=True, text=True, check=True)

    assert done.stderr.count("teacher_cls_token: 2 logged, 0 skipped") == 1


class TwoViews(TinySSL):
    """Calls its model once for each view."""

    def __init__(self) -> None:
        super().__init__()
        self.model = TinyNet(draws=False)

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        first, second = self.model(batch), self.model(batch + 0.1)
        self.seen = torch.cat([first["teacher_cls_token"], second["teacher_cls_token"]]).detach()
        return self.seen.new_zeros(()) + first["teacher_cls_token"].square().mean()


class Maps(TinySSL):
    """Its model returns feature maps, sequences and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Identity()
        self.layer = torch.nn.Linear(8, 8)

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        rows = self.layer(batch)
        self.seen = rows.detach()
        noise = torch.arange(15.0).reshape(3, 5) - 7
        maps = rows[:, :, None, None] + noise
        self.model({"maps": maps, "sequence": torch.stack([rows, *[rows * 0 + 1] * 4])})
        return rows.square().mean()


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (TwoViews, {"calls": "all"}),
        (Maps, {"feature_key": "maps", "pool": "gap"}),
        (Maps, {"feature_key": "sequence"}),  # [T, N, D]
    ],
    ids=["calls", "maps", "sequence"],
)
@pytest.mark.parametrize("limit", [128, 6])
def test_rows_are_those_that_were_meant(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, module: Any, arguments: Any, limit: int
) -> None:
    from tests.gramscope.callbacks.test_capture_modes import cosine, gram

    watched = module()
    callback = GramMatrixCallback(3, save_dir=tmp_path / "gram", max_samples=limit, **arguments)

    with caplog.at_level(logging.INFO, "gramscope"):
        fit(tmp_path, watched, callback, max_steps=3)

    rows = watched.seen
    taken = min(limit, len(rows))
    expected = cosine(rows[[i * len(rows) // taken for i in range(taken)]])
    torch.testing.assert_close(
        torch.tensor(gram(tmp_path, 3)), torch.tensor(expected), atol=1e-5, rtol=0
    )
    assert ("read as [T, N, D]" in caplog.text) == (arguments.get("feature_key") == "sequence")


def test_two_modules_under_one_key_are_two_names_everywhere(tmp_path: Path) -> None:
    callbacks = [
        GramMatrixCallback(2, module="model.encoder", save_dir=tmp_path / "gram"),
        GramMatrixCallback(2, module="model.head", name="head", save_dir=tmp_path / "gram"),
    ]

    fit(tmp_path, TinySSL(), *callbacks, max_steps=2)

    found = events(tmp_path / "gram")
    assert sorted((e["log_key"], e["name"], e["feature_key"]) for e in found) == [
        ("gram_matrix/head", "head", "teacher_cls_token"),
        ("gram_matrix/model.encoder", "model.encoder", "teacher_cls_token"),
    ]
    assert [c.summary.partition(":")[0] for c in callbacks] == ["model.encoder", "head"]


class Supervised(TinySSL):
    """Its model returns one tensor, its step some others."""

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Linear(8, 8)

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        logits = self.model(batch)
        return {"loss": logits.square().mean(), "logits": logits}


def test_a_tensor_without_a_key_is_not_taken_where_a_key_may_be_misspelt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GramMatrixCallback(2, "logit", save_dir=tmp_path / "gram")

    fit(tmp_path, Supervised(), callback, max_steps=2)

    assert "is not in what training_step returns, which has: logits" in caplog.text
    assert "`capture: forward_hook` watches the one tensor that model returns" in caplog.text
    assert callback.outcomes == {"missing_key": 1}


def test_calls_that_may_be_the_views_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GramMatrixCallback(2, views=2, save_dir=tmp_path / "gram")

    with caplog.at_level(logging.WARNING, "gramscope"):
        fit(tmp_path, TwoViews(), callback, max_steps=2)

    (said,) = caplog.messages
    assert "model ran 2 times in a step, and its first call is watched; `calls: all`" in said
    (event,) = events(tmp_path / "gram")
    assert "model ran 2 times" in event["reason"]
