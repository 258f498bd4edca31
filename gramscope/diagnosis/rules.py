"""One rule for each state: which numbers speak for it. What is not there speaks for nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan

from gramscope.diagnosis.course import Course
from gramscope.diagnosis.numbers import format_number
from gramscope.diagnosis.state import Evidence

__all__ = ["RULES", "Case", "Found", "Rule", "has_moved"]

Found = tuple[Evidence, ...]
"""What a rule rests on; nothing: it does not hold."""


@dataclass(frozen=True)
class Case:
    """A feature's course, and the limits that it is held to.

    Args:
        course: Of the feature, or of the model's own numbers.
        at: Thresholds by name.
        ease: Factor that makes limits harder to leave than to reach, see the threshold `ease`.
        backbone: Of the same model, where the feature is behind its head.
        class_token: Of the same samples, where the feature is their patches.
    """

    course: Course
    at: Mapping[str, float]
    ease: float = 1.0
    backbone: Course | None = None
    class_token: Course | None = None

    def below(self, name: str, limit: float, why: str = "", value: float | None = None) -> Found:
        """Evidence if a number, as usual of late unless given, is below a limit."""
        value = self.course.usual(name) if value is None else value
        limit *= self.ease
        return (Evidence(self.course.key(name), value, "below", limit, why),) * (value < limit)

    def above(self, name: str, limit: float, value: float | None = None) -> Found:
        """Evidence if it is above."""
        value = self.course.usual(name) if value is None else value
        limit /= self.ease
        return (Evidence(self.course.key(name), value, "above", limit),) * (value > limit)

    def kept(self, name: str, share: float) -> Found:
        """Evidence if a number is below a share of what it was at first."""
        return self.of(name, share, self.course.first.get(name, nan), "at first")

    def of(
        self, name: str, share: float, reference: float, when: str, *, usual: bool = False
    ) -> Found:
        """Evidence if a number is below a share of what it was at another time."""
        why = f"= {share * self.ease:.0%} of {format_number(name, reference)} {when}"
        return self.below(name, share * reference, why, None if usual else self.course[name])


def _all(*found: Found) -> Found:
    return sum(found, ()) if all(found) else ()


def non_finite(case: Case) -> Found:
    """Rows hold NaN or Inf."""
    return case.above("nonfinite_rows", 0, case.course["nonfinite_rows"])


def duplicates(case: Case) -> Found:
    """Rows are those of other samples, and were before anything was learned."""
    at, course = case.at, case.course
    were = course.first.get("duplicate_share", nan) > at["duplicates"]
    # Where nothing at all spreads, not even rounding tells samples apart: they are the same.
    if were and (course["spread"] > at["telling_spread"] or course["spread"] < 1e-6):
        return case.above("duplicate_share", at["duplicates"], course["duplicate_share"])
    return ()


def views_identical(case: Case) -> Found:
    """Views have all their variance in common."""
    return case.above(
        "view_correlation", case.at["identical_views"], case.course["view_correlation"]
    )


def _own(case: Case, threshold: str) -> str:
    """A backbone has a threshold of its own."""
    return f"backbone_{threshold}" if case.course.role.endswith("backbone") else threshold


def complete_collapse(case: Case) -> Found:
    """Unit vectors vary much less than they did."""
    most = case.course.highest.get("spread", nan)
    return case.of("spread", case.at[_own(case, "spread_kept")], most, "at most")


def cluster_collapse(case: Case) -> Found:
    """Samples that were told apart are the same."""
    at, course = case.at, case.course
    were_apart = course.first.get("duplicate_share", nan) < at["duplicates"]
    if were_apart and course["spread"] > at["telling_spread"]:
        return case.above("duplicate_share", at["clusters"])
    return ()


def dimensional_collapse(case: Case) -> Found:
    """Directions are lost, or only a line is left."""
    at, name = case.at, "effective_rank"
    on_a_line = _all(
        case.below("participation_ratio", at["line_rank"]),
        case.kept(name, at["line_rank_kept"]),
    )
    return case.kept(name, at[_own(case, "rank_kept")]) or on_a_line


def abrupt_collapse(case: Case) -> Found:
    """Random weights had more directions a moment ago."""
    at = case.at
    if case.course.steps > at["abrupt_steps"]:
        return ()
    return case.kept("effective_rank", at["abrupt_rank_kept"])


def abrupt_point(case: Case) -> Found:
    """They were further apart a moment ago."""
    at = case.at
    if case.course.steps > at["abrupt_steps"]:
        return ()
    return case.kept("spread", at[_own(case, "spread_kept")])


def stalled(case: Case) -> Found:
    """Features change, but views do not come to agree; or they did, and do no longer."""
    at, course = case.at, case.course
    if course.role.endswith("backbone") or not _had_time(case):
        return ()
    name = "view_correlation"
    first, most = course.first.get(name, nan), course.highest_usual.get(name, nan)
    gained = min(first + at["agreement_gained"], at["agreement_had"])
    low = case.below("view_cka", at["agreement_cka"])
    if most < gained * case.ease:
        return _all(low, case.below(name, gained, f"after {format_number(name, first)} at first"))
    if most > at["agreement_had"]:
        return _all(low, case.of(name, at["agreement_kept"], most, "at most", usual=True))
    return ()


def _had_time(case: Case) -> bool:
    """Whether training has changed features; half the time will do where it costs the backbone."""
    events, settled = case.course.events, case.at["settle_events"]
    costly = case.backbone is not None and bool(
        Case(case.backbone, case.at).kept("effective_rank", case.at["costly_rank_kept"])
    )
    return (costly and events > settled / 2) or (
        events >= settled and has_moved(case.course, case.at["moved"])
    )


def has_moved(course: Course, share: float) -> bool:
    """Whether features are no longer what they were at first."""
    return any(
        abs(course[name] - first) > share * first
        for name, first in course.first.items()
        if name in ("effective_rank", "spread")
    )


def uniform_assignment(case: Case) -> Found:
    """All prototypes alike, for teacher and student; later than at the start, where it is usual."""
    at, course = case.at, case.course
    name, kl = "teacher_entropy_normalised", "teacher_student_kl"
    rose = course[name] > course.first.get(name, nan) + (1 - at["uniform_entropy"]) / 4
    if rose or course.events >= at["settle_events"]:
        return _all(
            case.above(name, at["uniform_entropy"], course[name]),
            case.below(kl, at["uniform_kl"], value=course[kl]),
        )
    return ()


def single_prototype(case: Case) -> Found:
    """Hardly more than one prototype is in use."""
    return case.below("assignment_entropy", case.at["single_entropy"])


def teacher_student_divergence(case: Case) -> Found:
    """What teacher and student make of the same rows has little in common."""
    if case.course.events < case.at["settle_events"]:
        return ()
    return case.below("teacher_student_cka", case.at["teacher_student"])


def dense_degradation(case: Case) -> Found:
    """Clusters of patches have run together, and the class token has lost nothing."""
    at, course, whole = case.at, case.course, case.class_token
    if whole is None or course.events < at["settle_events"]:
        return ()
    name = "dense_inter"
    most = course.highest_usual.get(name, nan)
    kept = 1 - (1 - at["dense_kept"]) / case.ease  # what is lost is eased: so near 1, a share ends
    run_together = Case(course, at).of(name, kept, most, "at most", usual=True)
    return _all(
        run_together,
        *(_has_kept(Case(whole, at), name) for name in ("spread", "effective_rank")),
    )


def _has_kept(case: Case, name: str) -> Found:
    most = case.course.highest_usual.get(name, nan)
    return case.above(name, case.at["class_kept"] * most)


@dataclass(frozen=True)
class Rule:
    """What speaks for a state."""

    state: str
    holds: Callable[[Case], Found]
    at_once: bool = False
    """Whether one event is enough."""
    of_students: bool = False
    """Whether it is asked of a student's head whose teacher is watched as well.

    Students are jumpy, and often see masked views; what is lasting, the teacher has too.
    """


RULES = (
    Rule("non_finite", non_finite, at_once=True),
    Rule("views_identical", views_identical),
    Rule("duplicates", duplicates),
    Rule("single_prototype", single_prototype),
    Rule("uniform_assignment", uniform_assignment),
    Rule("complete_collapse", complete_collapse, of_students=True),
    Rule("complete_collapse", abrupt_point, at_once=True),
    Rule("dimensional_collapse", dimensional_collapse, of_students=True),
    Rule("dimensional_collapse", abrupt_collapse, at_once=True),
    Rule("cluster_collapse", cluster_collapse),
    Rule("teacher_student_divergence", teacher_student_divergence),
    Rule("stalled", stalled),
    Rule("dense_degradation", dense_degradation),
)
"""Of several that hold the first says what the run's state is."""
