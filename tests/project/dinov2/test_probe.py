"""The tissue probe: right votes, right moments, no effect on training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import CSVLogger
from sklearn.neighbors import KNeighborsClassifier

from project.data.crops import labelled_crops
from project.data.datamodule import MultiCropData, ProbeData
from project.dinov2.module import DINOv2
from project.dinov2.probe import KNNProbe, ProbeResult, knn_predict

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    # Lightning's own: these data have none that is not trained on.
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
]


@pytest.fixture
def labelled(make_data: Callable[..., MultiCropData]) -> MultiCropData:
    data = make_data()
    volume = data.training_volumes()[0]
    sets = [labelled_crops([volume], 16, 4, data.augment.intensity, seed) for seed in (0, 1)]
    data.probe_data = lambda: ProbeData(*sets)
    return data


def test_votes_equal_scikit_learn() -> None:
    torch.manual_seed(0)
    bank, queries = torch.randn(60, 8), torch.randn(40, 8)
    labels = torch.randint(3, (60,))
    oracle = KNeighborsClassifier(
        5, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07)
    ).fit(bank, labels)

    assert knn_predict(bank, labels, queries, 5, 0.07).tolist() == oracle.predict(queries).tolist()


def test_more_neighbours_than_crops() -> None:
    bank = torch.eye(3)

    assert knn_predict(bank, torch.tensor([0, 1, 2]), bank, 10, 0.07).tolist() == [0, 1, 2]


def test_evaluates_before_during_and_after(
    labelled: MultiCropData,
    make_module: Callable[..., DINOv2],
    make_trainer: Callable[..., Trainer],
    tmp_path: Any,
) -> None:
    probe = KNNProbe(every_n_steps=2)
    logger = CSVLogger(tmp_path)
    trainer = make_trainer(max_steps=5, accumulate_grad_batches=2, callbacks=[probe], logger=logger)
    trainer.fit(make_module(), labelled)
    text = (tmp_path / "lightning_logs" / "version_0" / "metrics.csv").read_text()

    assert [result.step for result in probe.history] == [0, 2, 4, 5]
    assert all(0 <= result.balanced_accuracy <= 1 for result in probe.history)
    assert probe.history[0].chance == pytest.approx(1 / 3)
    assert trainer.callback_metrics["probe/knn_accuracy"] == pytest.approx(
        probe.history[-1].accuracy
    )
    assert {"probe/knn_accuracy", "probe/knn_balanced_accuracy", "probe/chance"} <= set(
        text.splitlines()[0].split(",")
    )


def test_summary_compares_the_first_with_the_last_result() -> None:
    probe = KNNProbe()
    assert probe.summary is None

    probe.history.append(ProbeResult(0, 0.4111, 0.4, 1 / 3))
    assert probe.summary == "tissue probe: 41.1 % at random weights, chance 33.3 %"

    probe.history += [ProbeResult(100, 0.6, 0.6, 1 / 3), ProbeResult(300, 0.667, 0.6, 1 / 3)]
    assert probe.summary == (
        "tissue probe: 41.1 % at random weights, 66.7 % after 300 steps, chance 33.3 %"
    )


def test_the_probe_does_not_change_the_training(
    labelled: MultiCropData,
    make_module: Callable[..., DINOv2],
    make_trainer: Callable[..., Trainer],
) -> None:
    def train(*callbacks: KNNProbe) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        module = make_module()
        make_trainer(max_steps=3, callbacks=list(callbacks)).fit(module, labelled)
        return module.state_dict(), torch.get_rng_state()

    (plain, plain_rng), (probed, probed_rng) = train(), train(KNNProbe(every_n_steps=1))

    assert all(torch.equal(plain[name], probed[name]) for name in plain)
    assert torch.equal(plain_rng, probed_rng)


def test_nothing_happens_without_labels(
    make_data: Callable[..., MultiCropData],
    make_module: Callable[..., DINOv2],
    make_trainer: Callable[..., Trainer],
) -> None:
    probe = KNNProbe(every_n_steps=1)
    make_trainer(max_steps=2, callbacks=[probe]).fit(make_module(), make_data())

    assert probe.history == []


@pytest.mark.parametrize("name", ["every_n_steps", "neighbours", "temperature", "batch_size"])
def test_bad_arguments_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        KNNProbe(**{name: 0})
