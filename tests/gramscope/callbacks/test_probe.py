"""The same samples over a training, after a resume, and in a row of checkpoints."""

from __future__ import annotations

import io
import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import pytorch_lightning as pl
import torch
from torch.nn.functional import normalize
from torch.utils.data import DataLoader

from gramscope import GramMatrixCallback, GramProbeCallback, probe_checkpoints
from gramscope.callbacks.probing import samples as reading
from gramscope.events import Event
from gramscope.events.files import read_events
from tests.gramscope.callbacks.probed import Images, PatchSSL, fit, held_out, matrix
from tests.support import trainer

# Lightning's own, of what is tried here on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step`"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before"),
    pytest.mark.filterwarnings("ignore:Your `val_dataloader`'s sampler has shuffling enabled"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks"),
    pytest.mark.filterwarnings("ignore:Total length of `DataLoader` across ranks is zero"),
]


def probe(directory: Path, **settings: Any) -> GramProbeCallback:
    return GramProbeCallback(
        **{
            "log_every_n_steps": 3,
            "feature_key": "token",
            "max_samples": 12,
            "save_dir": directory / "gram",
            "input_key": "image",
            **settings,
        }
    )


def events(directory: Path) -> list[Event]:
    found, problems = read_events(directory / "gram" / "events.jsonl")
    assert not problems
    return found


def expected(module: PatchSSL, count: int = 12) -> torch.Tensor:
    module.eval()
    with torch.no_grad():
        z = normalize(module.model(Images().volumes[:count])["token"], dim=1)
    return z @ z.T


def test_held_out_samples_are_seen_before_at_due_steps_and_after(tmp_path: Path) -> None:
    callback = probe(tmp_path, sample_id_key="id", label_key="label")

    module = fit(tmp_path, callback)

    assert callback.outcomes == {"logged": 4}
    assert [event.step for event in events(tmp_path)] == [0, 3, 6, 7]
    last = matrix(tmp_path / "gram", "gram_probe", 7)
    assert np.allclose(last.gram, expected(module), atol=1e-5)
    assert last.sample_id is not None and last.label is not None
    assert last.sample_id.tolist() == [f"case {i}" for i in range(12)]
    assert last.label.tolist() == [i % 3 for i in range(12)]
    assert (tmp_path / "gram" / "gram_probe" / "film.png").read_bytes()[:4] == b"\x89PNG"


def test_drift_is_what_the_matrices_on_disk_say(tmp_path: Path) -> None:
    fit(tmp_path, probe(tmp_path))

    found = events(tmp_path)
    grams = {e.step: matrix(tmp_path / "gram", "gram_probe", e.step).gram for e in found}
    assert "gram_drift" not in found[0].metrics
    for before, event in pairwise(found):
        moved = np.linalg.norm(grams[event.step] - grams[before.step]) / 12
        in_all = np.linalg.norm(grams[event.step] - grams[0]) / 12
        assert event.metrics["gram_drift"] == pytest.approx(moved, abs=1e-3)  # kept in halves
        assert event.metrics["gram_drift_first"] == pytest.approx(in_all, abs=1e-3)
        assert 0 <= event.metrics["neighbours_lost"] <= 1


def test_where_nothing_is_learned_nothing_moves(tmp_path: Path) -> None:
    fit(tmp_path, probe(tmp_path), lr=0.0)

    for event in events(tmp_path)[1:]:
        moved = {name: event.metrics[name] for name in ("gram_drift", "neighbours_gained")}
        assert moved == pytest.approx({"gram_drift": 0, "neighbours_gained": 0}, abs=1e-6)
        assert event.metrics["neighbours_lost"] == 0


def test_a_generator_that_training_shares_gives_it_what_it_would_have(tmp_path: Path) -> None:
    def losses(*callbacks: Any) -> list[float]:
        shared = torch.Generator().manual_seed(4)
        loader = DataLoader(Images(), batch_size=5, shuffle=True, generator=shared)
        module = PatchSSL(held_out=loader)
        training = DataLoader(Images(64, seed=2), batch_size=8, shuffle=True, generator=shared)
        trainer(tmp_path, [*callbacks], max_steps=20).fit(module, training)
        return module.losses

    pl.seed_everything(3)
    alone = losses()
    pl.seed_everything(3)
    assert losses(probe(tmp_path)) == alone


def test_what_is_validated_afterwards_leaves_the_run_s_course_alone(tmp_path: Path) -> None:
    callback, batches = probe(tmp_path), GramMatrixCallback(1, "token", save_dir=tmp_path / "gram")
    module = fit(tmp_path, callback, batches)
    there = [(e.log_key, e.step) for e in events(tmp_path)]
    known = (callback.diagnoses, callback.last_step)
    run = trainer(tmp_path, [callback, batches])

    run.validate(module, ckpt_path=str(tmp_path / "ckpt" / "epoch=0-step=4.ckpt"))

    found = [(e.log_key, e.step) for e in events(tmp_path)]
    assert found == [*there, ("gram_probe", 4)]
    assert not (tmp_path / "gram" / "previous_runs").exists()
    assert (callback.diagnoses, callback.last_step) == known
    assert "gram_drift" not in events(tmp_path)[-1].metrics


def test_a_resumed_run_goes_on_with_the_same_samples(tmp_path: Path) -> None:
    fit(tmp_path / "whole", probe(tmp_path / "whole"))
    whole = [e.metrics["gram_drift"] for e in events(tmp_path / "whole")[1:]]
    fit(tmp_path, probe(tmp_path), steps=4)
    checkpoint = tmp_path / "ckpt" / "epoch=0-step=4.ckpt"

    fit(tmp_path, probe(tmp_path), resume=checkpoint)

    resumed = {e.step: e.metrics.get("gram_drift") for e in events(tmp_path)}
    assert [*resumed] == [0, 3, 4, 6, 7]
    assert resumed[3] == pytest.approx(whole[0], abs=1e-3)
    assert resumed[6] is not None
    films = [d / "gram" / "gram_probe" / "film.png" for d in (tmp_path, tmp_path / "whole")]
    of_five, of_four = (PIL.Image.open(io.BytesIO(film.read_bytes())).width for film in films)
    assert of_five > of_four  # steps 0, 3, 4, 6 and 7; 0, 3, 6 and 7


def test_other_samples_after_a_resume_are_told_and_compared_with_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings: dict[str, Any] = {"samples": tmp_path / "samples.npy", "input_key": None}
    np.save(tmp_path / "samples.npy", Images(12, seed=5).volumes.numpy())
    fit(tmp_path, probe(tmp_path, **settings), steps=4)
    np.save(tmp_path / "samples.npy", Images(12, seed=6).volumes.numpy())

    fit(tmp_path, probe(tmp_path, **settings), resume=tmp_path / "ckpt" / "epoch=0-step=4.ckpt")

    assert "the samples are others than before" in caplog.text
    later = {e.step: "gram_drift" in e.metrics for e in events(tmp_path)}
    assert later == {0: False, 3: True, 4: True, 6: False, 7: True}


@pytest.mark.parametrize("kind", ["npy", "npz", "pt"])
def test_samples_come_from_a_file(tmp_path: Path, kind: str) -> None:
    file, volumes = tmp_path / f"samples.{kind}", Images().volumes
    if kind == "npy":
        np.save(file, volumes.numpy())
    elif kind == "npz":
        np.savez(file, image=volumes.numpy(), id=np.arange(24))
    else:
        torch.save(volumes, file)
    named = {"input_key": "image", "sample_id_key": "id"} if kind == "npz" else {"input_key": None}

    module = fit(tmp_path, probe(tmp_path, samples=file, **named), steps=3)

    assert np.allclose(matrix(tmp_path / "gram", "gram_probe", 3).gram, expected(module), atol=1e-5)


def test_without_held_out_data_the_first_batch_is_watched(tmp_path: Path) -> None:
    callback = probe(tmp_path)

    fit(tmp_path, callback, held_out=None)

    assert callback.outcomes == {"logged": 4}
    assert {event.n for event in events(tmp_path)} == {8}  # all of that batch


def test_beside_a_monitor_of_the_batches_each_has_its_names(tmp_path: Path) -> None:
    callback, batches = probe(tmp_path), GramMatrixCallback(3, "token")

    fit(tmp_path, batches, callback)

    assert [c.outcomes for c in (batches, callback)] == [{"logged": 2}, {"logged": 4}]


@pytest.mark.parametrize(
    ("settings", "options", "said"),
    [
        ({"samples": "validation"}, {"held_out": None}, "there are no validation data"),
        (
            {"samples": "validation"},
            {"held_out": held_out(0)},
            "the validation data: there are no samples",
        ),
        ({"feature_key": "tokens"}, {}, "there is: token, patches, all, raw"),
        ({"input_key": "images"}, {}, "input_key='images' is not in the batch"),
        ({"module": "model.head"}, {}, "has no submodule 'head'"),
    ],
)
def test_what_cannot_be_watched_is_said_once_and_training_goes_on(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, Any],
    options: dict[str, Any],
    said: str,
) -> None:
    callback = probe(tmp_path, **settings)

    module = fit(tmp_path, callback, **options)

    assert len(module.losses) == 7
    assert sum(callback.outcomes.values()) == 4
    assert "logged" not in callback.outcomes
    told = [r.message for r in caplog.records if r.levelno >= logging.WARNING and said in r.message]
    assert len(told) == 1


def test_samples_that_memory_has_no_room_for_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_free_memory", lambda: 50_000)  # bytes; of a machine we have not
    callback = probe(tmp_path)

    fit(tmp_path, callback)

    assert callback.outcomes == {"no_samples": 4}
    assert "would take 3.12e-05 GB, and 5e-05 GB are free; lower max_samples" in caplog.text


def test_a_damaged_file_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "samples.npy").write_bytes(b"nothing of that kind")

    fit(tmp_path, probe(tmp_path, samples=tmp_path / "samples.npy"), steps=3)

    assert "samples.npy cannot be read" in caplog.text


@pytest.mark.parametrize("samples", ["first", "missing.npy", "features.csv", 3])
def test_where_samples_come_from_is_checked_at_construction(samples: Any) -> None:
    with pytest.raises(ValueError, match=r"`samples` to be 'auto', 'validation', 'first_batch'"):
        GramProbeCallback(samples=samples)


def test_a_row_of_checkpoints_shows_what_the_run_itself_would_have(tmp_path: Path) -> None:
    live = probe(tmp_path / "live", log_every_n_steps=2)
    fit(tmp_path / "live", live)
    late = probe(tmp_path / "late")
    run = trainer(tmp_path / "late", [GramMatrixCallback(1, "token"), late])

    steps = probe_checkpoints(run, PatchSSL(), tmp_path / "live" / "ckpt", dataloaders=held_out())

    assert steps == [2, 4, 6]
    assert late.outcomes == {"logged": 3}
    for step in steps:
        a, b = (matrix(tmp_path / w / "gram", "gram_probe", step) for w in ("live", "late"))
        assert np.array_equal(a.gram, b.gram)
    drift = {e.step: e.metrics.get("gram_drift") for e in events(tmp_path / "live")}
    looked = {e.step: e.metrics.get("gram_drift") for e in events(tmp_path / "late")}
    assert looked == {2: None, 4: drift[4], 6: drift[6]}
    assert late._earlier.strip.values[1:] == (drift[4], drift[6])  # what the film's curve is of
    assert (tmp_path / "late" / "gram" / "gram_probe" / "film.png").is_file()


def test_checkpoints_that_cannot_be_looked_at_are_named(tmp_path: Path) -> None:
    fit(tmp_path)
    run = trainer(tmp_path, [probe(tmp_path)])
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd.ckpt").write_bytes(b"nothing")

    with pytest.raises(ValueError, match=r"step=2\.ckpt is a checkpoint of another model"):
        probe_checkpoints(run, PatchSSL(dim=4), tmp_path / "ckpt", dataloaders=held_out())
    with pytest.raises(ValueError, match=r"to have checkpoints \(\*\.ckpt\)"):
        probe_checkpoints(run, PatchSSL(), tmp_path / "empty", dataloaders=held_out())
    with pytest.raises(ValueError, match=r"odd\.ckpt cannot be read as a checkpoint"):
        probe_checkpoints(run, PatchSSL(), [tmp_path / "odd.ckpt"], dataloaders=held_out())
    with pytest.raises(ValueError, match="GramProbeCallback or a GramPatchCallback"):
        probe_checkpoints(trainer(tmp_path, []), PatchSSL(), tmp_path / "ckpt")
