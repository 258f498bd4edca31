"""Patches that degrade are named, by what trainings have shown; healthy ones raise no alarm.

`patches.json` holds numbers of trainings on MRI, of the teacher's patches of 16 held-out crops and
of their class tokens, with what k-NN made of both (which the diagnosis does not see).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gramscope.diagnosis import Diagnosis

RUNS: dict[str, dict[str, list[float]]] = json.loads(
    Path(__file__).with_name("patches.json").read_text()
)
DEGRADED = ["job, weight decay, class token alone"]
Events = list[tuple[int, dict[str, float]]]


def recorded(run: str) -> Events:
    """Steps and numbers of a training."""
    numbers = {name: row for name, row in RUNS[run].items() if not name.endswith("_knn")}
    rows = (dict(zip(numbers, row, strict=True)) for row in zip(*numbers.values(), strict=True))
    return [(int(row.pop("step")), row) for row in rows]


def degrading(
    class_spread: float = 0.7, early: int = 0, inter: float = 0.5
) -> Iterator[dict[str, float]]:
    """Twelve events whose clusters are apart, and then six in which they are nearer."""
    for event in range(18 - early):
        yield {
            "dense_inter": inter if event >= 12 - early else 0.7,
            "dense_intra": 0.6,
            "class/offdiag_mean": 0.3,
            "class/spread": class_spread if event >= 12 - early else 0.7,
            "class/effective_rank": 9.0,
        }


def named(events: Events) -> list[int]:
    """Steps at which dense degradation was said to have come."""
    diagnosis = Diagnosis()
    for step, numbers in events:
        diagnosis.update(step, numbers)
    return [step for step, state in diagnosis.changes if state.name == "dense_degradation"]


@pytest.mark.parametrize("run", sorted(RUNS.keys() - set(DEGRADED)))
def test_a_training_whose_patches_did_not_lose_their_clusters_is_not_named(run: str) -> None:
    assert named(recorded(run)) == []


@pytest.mark.parametrize("run", DEGRADED)
def test_a_training_whose_patches_lost_their_clusters_is_named_once(run: str) -> None:
    (step,) = named(recorded(run))
    assert step > 100


def test_evidence_names_patches_and_class_token() -> None:
    diagnosis = Diagnosis()
    for step, numbers in enumerate(degrading()):
        state = diagnosis.update(step, numbers)
    assert state.name == "dense_degradation"
    assert [(e.number, e.sign) for e in state.evidence] == [
        ("dense_inter", "below"),
        ("class/spread", "above"),
        ("class/effective_rank", "above"),
    ]
    assert "= 88% of 0.700 at most" in str(state.evidence[0])


def test_it_ends_where_clusters_are_apart_again() -> None:
    events = list(enumerate(degrading()))
    assert named(events) == [14]
    whole = events[0][1]
    diagnosis = Diagnosis()
    for step, numbers in [*events, *((step, whole) for step in range(18, 24))]:
        state = diagnosis.update(step, numbers)
    assert not state.alarm


@pytest.mark.parametrize(
    "events",
    [
        list(enumerate(degrading(class_spread=0.4))),
        list(enumerate(degrading(early=10))),
        list(enumerate(degrading(inter=0.65))),
        [(s, {k: v for k, v in n.items() if "/" not in k}) for s, n in enumerate(degrading())],
    ],
    ids=[
        "the class token falls too",
        "too early",
        "a little together",
        "no class token",
    ],
)
def test_is_silent_where_it_is_not_the_patches_alone_or_too_soon_to_tell(events: Events) -> None:
    assert named(events) == []


def test_goes_on_after_a_checkpoint() -> None:
    whole, resumed = Diagnosis(), Diagnosis()
    for step, numbers in enumerate(degrading()):
        memory = json.loads(json.dumps(resumed.memory()))
        resumed = Diagnosis()
        resumed.recall(memory)
        assert resumed.update(step, numbers) == whole.update(step, numbers)
