"""Courses of numbers, as runs have had them, and what the diagnosis makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import pytest

from gramscope.diagnosis import STATES, THRESHOLDS, Diagnosis, State

WELL = {
    "offdiag_mean": 0.3,
    "nonfinite_rows": 0.0,
    "spread": 0.7,
    "effective_rank": 45.0,
    "participation_ratio": 8.0,
    "duplicate_share": 0.0,
    "view_correlation": 0.1,
    "view_cka": 0.05,
}
"""Numbers of random weights."""
LOGITS = {
    "teacher_entropy_normalised": 0.5,
    "assignment_entropy": 4.7,
    "teacher_student_kl": 2.5,
}


def course(**numbers: Sequence[float]) -> Iterator[tuple[int, dict[str, float]]]:
    """Events at steps 1, 10, 20, …: what is given, and for the rest `WELL`."""
    length = max(map(len, numbers.values()))
    for event in range(length):
        now = {name: values[min(event, len(values) - 1)] for name, values in numbers.items()}
        yield max(1, 10 * event), {**WELL, **now}


def of(role: str, numbers: Mapping[str, float]) -> dict[str, float]:
    """The same as numbers of one feature of several."""
    return {f"{role}/{name}": value for name, value in numbers.items()}


def follow(events: Iterator[tuple[int, dict[str, float]]], **thresholds: float) -> Diagnosis:
    """A diagnosis at the end of a course."""
    diagnosis = Diagnosis(thresholds)
    for step, numbers in events:
        diagnosis.update(step, numbers)
    return diagnosis


def names(diagnosis: Diagnosis) -> list[str]:
    """What it said, in turn."""
    return [state.name for _, state in diagnosis.changes]


ALIKE = 12 * (0.9999,)
AGREEING = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7)

ALARMS = {
    "a point": ("complete_collapse", {"spread": (0.7, 0.5, 0.3, 0.1, 0.05, 0.02)}),
    "a point at once": ("complete_collapse", {"spread": (0.7, 0.01)}),
    "few directions": (
        "dimensional_collapse",
        {"effective_rank": (45, 40, 30, 20, 12, 4, 4, 4)},
    ),
    "few directions at once": ("dimensional_collapse", {"effective_rank": (45, 9)}),
    "a line": (
        "dimensional_collapse",
        {
            "effective_rank": (45, 35, 25, 20, 11, 10, 10, 10),
            "participation_ratio": (8, 4, 2, 1.3, 1.1, 1.05, 1.02, 1.02),
        },
    ),
    "a few points": ("cluster_collapse", {"duplicate_share": (0, 0.1, 0.4, 0.8, 1, 1, 1)}),
    "NaN": ("non_finite", {"nonfinite_rows": (0, 3)}),
    "views the same": ("views_identical", {"view_correlation": ALIKE}),
    "samples twice": ("duplicates", {"duplicate_share": (1, 1)}),
    "nothing in the crops": ("duplicates", {"duplicate_share": (1, 1), "spread": (0, 0)}),
    "views that never agree": (
        "stalled",
        {"effective_rank": (45, 40, 35, 30, 28, 28, 28, 28, 28, 28)},
    ),
    "views that agree no more": (
        "stalled",
        {
            "view_cka": (0.05, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.05),
            "effective_rank": (45, 40, 35, 30, 28),
            "view_correlation": (*AGREEING, 0.5, 0.3, 0.2, 0.2, 0.2, 0.2),
        },
    ),
    "uniform": (
        "uniform_assignment",
        {
            "teacher_entropy_normalised": (0.9, 0.97, 0.996, 0.999),
            "teacher_student_kl": (0.7, 0.3, 0.1, 0.01),
        },
    ),
    "one prototype": ("single_prototype", {"assignment_entropy": (4.7, 2.0, 0.3, 0.1, 0.1, 0.1)}),
    "a teacher left behind": ("teacher_student_divergence", {"teacher_student_cka": (0.2,) * 10}),
}


@pytest.mark.parametrize(("expected", "numbers"), ALARMS.values(), ids=ALARMS)
def test_names_what_is_wrong(expected: str, numbers: dict[str, Sequence[float]]) -> None:
    state = follow(course(**numbers)).state
    assert state.name == expected
    assert state.alarm
    assert state.evidence
    assert state.advice in state.text


HEALTHY = {
    "from random weights": {
        "effective_rank": (45, 38, 31, 26, 24, 22, 20, 20, 20, 20, 20, 20),
        "view_correlation": AGREEING,
    },
    "a narrow head": {
        "effective_rank": (23, 22, 24, 26, 28, 30, 30, 32, 30, 29, 25, 24),
        "participation_ratio": (3.9, 4, 4.2, 3, 2.3, 2.2, 1.8, 1.6, 1.6, 1.5, 1.4, 1.35),
        "view_correlation": (0.41, 0.33, 0.31, 0.32, 0.37, 0.42, 0.48, 0.5, 0.48, 0.6, 0.7, 0.7),
    },
    "a transformer, narrow for long": {
        "spread": (0.02, 0.03, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5),
        "offdiag_mean": (0.98, 0.97, 0.98, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.5, 0.5),
        "duplicate_share": (0.6, 0.5, 0.6, 0.1, 0, 0, 0, 0, 0, 0, 0, 0),
        "effective_rank": (34, 31, 28, 23, 19, 13, 9, 8, 7.5, 7.5, 8, 9),
        "participation_ratio": (6.6, 4, 3, 2, 1.5, 1.3, 1.25, 1.25, 1.3, 1.4, 1.5, 1.6),
        "view_correlation": AGREEING,
    },
    "logits that begin uniform": {
        "teacher_entropy_normalised": (0.9999, 0.9999, 0.999, 0.99, 0.95, 0.9, 0.8, 0.8, 0.8),
        "teacher_student_kl": (0.0001, 0.001, 0.1, 0.3, 0.5, 0.5, 0.5, 0.5, 0.5),
        "view_correlation": AGREEING,
    },
}


@pytest.mark.parametrize("numbers", HEALTHY.values(), ids=HEALTHY)
def test_raises_no_false_alarm(numbers: dict[str, Sequence[float]]) -> None:
    assert names(follow(course(**numbers))) == ["healthy"]


def test_warms_up_until_views_agree_more_than_at_first() -> None:
    diagnosis = Diagnosis()
    said = [diagnosis.update(*event).name for event in course(view_correlation=AGREEING)]
    assert said == ["warming_up"] * 2 + ["healthy"] * 10


@pytest.mark.parametrize("missing", sorted(WELL))
def test_a_missing_number_makes_rules_silent(missing: str) -> None:
    for _, numbers in ALARMS.values():
        diagnosis = Diagnosis()
        for step, now in course(**numbers):
            now.pop(missing)
            assert diagnosis.update(step, now).name in STATES
    whole = {"effective_rank": (45, 40, 30, 20, 12), "view_correlation": AGREEING}
    events = [(step, {**now, missing: WELL[missing]}) for step, now in course(**whole)]
    for _, now in events:
        now.pop(missing)
    assert not follow(iter(events)).state.alarm


def test_says_nothing_of_no_numbers() -> None:
    assert follow(iter([(1, {}), (2, {}), (3, {})])).state == State("warming_up")


def test_one_odd_event_neither_begins_nor_ends_a_state() -> None:
    odd = (0.7, 0.7, 0.7, 0.7, 0.01, 0.7, 0.7, 0.7)
    assert "complete_collapse" not in names(follow(course(spread=odd)))
    collapsed = (0.7, 0.7, 0.7, 0.7, 0.01, 0.01, 0.01, 0.7, 0.01, 0.01)
    assert names(follow(course(spread=collapsed))) == ["complete_collapse"]


def test_a_state_ends_when_numbers_are_clearly_better() -> None:
    near = (0.7, 0.7, 0.7, 0.7, *4 * (0.17,), *5 * (0.2,))  # the limit is 0.175
    assert follow(course(spread=near)).state.name == "complete_collapse"
    diagnosis = follow(course(spread=(*near, *5 * (0.6,))))
    assert names(diagnosis) == ["complete_collapse", "warming_up"]


def test_knows_since_when() -> None:
    diagnosis = follow(course(spread=(0.7, 0.7, 0.7, 0.7, 0.05, 0.05, 0.05)))
    (declared, state), *_ = diagnosis.changes
    assert (state.since, declared) == (40, 50)


def _of_head_and_backbone(backbone_rank: Sequence[float]) -> Iterator[tuple[int, dict[str, float]]]:
    head = course(effective_rank=(45, 40, 30, 20, 12, 4, 4, 4, 4))
    backbone = course(effective_rank=(*backbone_rank, *9 * backbone_rank[-1:]))
    for (step, behind), (_, before) in zip(head, backbone, strict=False):
        yield step, {**of("teacher_head", behind), **of("teacher_backbone", before)}


def test_a_head_that_collapses_alone_has_a_name_of_its_own() -> None:
    state = follow(_of_head_and_backbone((40, 40, 38))).state
    assert (state.name, state.role) == ("head_collapse", "teacher_head")
    assert state.intact == ("teacher_backbone",)
    assert "Intact: teacher backbone." in state.text


def test_a_collapse_of_both_is_one_of_the_backbone() -> None:
    state = follow(_of_head_and_backbone((40, 30, 20, 10, 8, 8, 8))).state
    assert (state.name, state.role) == ("dimensional_collapse", "teacher_backbone")


def test_views_of_a_backbone_need_not_agree() -> None:
    flat = course(effective_rank=(45, 40, 35, 30, 28, 28, 28, 28, 28, 28))
    agreeing = course(view_correlation=AGREEING)
    both = zip(flat, agreeing, strict=False)
    events = ((s, {**of("backbone", before), **of("head", now)}) for (s, before), (_, now) in both)
    assert names(follow(events)) == ["healthy"]


def test_views_that_cost_the_backbone_are_told_sooner() -> None:
    plain = course(effective_rank=(45, 40, 36, 33, 33, 33, 33, 33, 33, 33))
    events = [(step, of("head", now) | of("backbone", now)) for step, now in plain]
    told = {step: state.name for step, state in follow(iter(events)).changes}
    alone = follow((step, of("head", now)) for step, now in course(effective_rank=(45, 40, 36, 33)))
    assert min(told) < 80
    assert not alone.state.alarm


def test_numbers_of_logits_stand_beside_those_of_features() -> None:
    events = [
        (step, {**of("teacher_head", WELL), **LOGITS, "assignment_entropy": entropy})
        for step, entropy in enumerate((4.7, 3.0, 0.2, 0.1, 0.1, 0.1), start=1)
    ]
    assert follow(iter(events)).state.name == "single_prototype"


def test_goes_on_after_a_checkpoint_as_if_nothing_had_been() -> None:
    _, numbers = ALARMS["a line"]
    events = list(course(**numbers))
    whole, resumed = follow(iter(events)), Diagnosis()
    for step, now in events:
        memory = json.loads(json.dumps(resumed.memory()))
        resumed = Diagnosis()
        resumed.recall(memory)
        resumed.update(step, now)
    assert resumed.state == whole.state
    assert resumed.changes == whole.changes


def test_wishes_for_views_where_they_are_not_known() -> None:
    blind = {name: value for name, value in WELL.items() if name != "view_correlation"}
    diagnosis = follow((step, blind) for step in range(1, 5))
    assert "views" in str(diagnosis.wish)
    assert follow(course(spread=(0.7,) * 5)).wish is None
    assert Diagnosis().wish is None


def test_without_views_less_is_said() -> None:
    events = course(effective_rank=(45, 40, 35, 30, 28, 28, 28, 28, 28, 28))
    blind = ((step, {k: v for k, v in n.items() if k != "view_correlation"}) for step, n in events)
    assert names(follow(blind)) == ["healthy"]


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"rank_keep": 0.1}, ValueError, "rank_kept"),
        ({"rank_kept": 2}, ValueError, "from 0 to 1"),
        ({"rank_kept": "much"}, TypeError, "'much'"),
        ({"confirm_events": True}, TypeError, "True"),
    ],
)
def test_refuses_thresholds_that_are_none(
    changed: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Diagnosis(changed)


def test_thresholds_can_be_changed() -> None:
    falling = {"spread": (0.7, 0.7, 0.7, 0.7, 0.3, 0.3, 0.3)}
    assert not follow(course(**falling)).state.alarm
    assert follow(course(**falling), spread_kept=0.5).state.name == "complete_collapse"


def test_every_state_has_a_code_of_its_own_and_words() -> None:
    assert len({kind.code for kind in STATES.values()}) == len(STATES)
    assert [kind.name for kind in STATES.values() if not kind.alarm] == ["healthy", "warming_up"]
    for kind in STATES.values():
        assert kind.sentence.format(of=" (head)").endswith(".")
        assert kind.advice.endswith(".")


def test_every_threshold_has_its_default_in_its_range() -> None:
    for row in THRESHOLDS.values():
        assert row.low <= row.default <= row.high
        assert row.why.endswith(".")
