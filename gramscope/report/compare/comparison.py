"""Two runs beside each other: the same numbers at the same steps, states, settings."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from gramscope.diagnosis import NUMBERS, number_of
from gramscope.report.compare.matching import match
from gramscope.report.compare.parting import LIMIT, noise_of, parting
from gramscope.report.compare.result import Comparison, Number, Point, States, worse_by
from gramscope.report.compare.settings import differences
from gramscope.report.history import Columns, History, columns, feature_names
from gramscope.report.runs import Run
from gramscope.report.spells import Spell, spells

__all__ = ["compare"]

_STEPS = 5


def compare(run_a: Run, run_b: Run, steps: int = _STEPS) -> Comparison:
    """Compare two runs; `gramscope.report.compare.parting` says when they differ.

    Args:
        run_a: The first, against which the other is held.
        run_b: The second.
        steps: At how many common steps to keep each number, beside its last; 2 at least.
    """
    pairs, rest_a, rest_b = match(run_a.watched, run_b.watched)
    settings, missing = differences(run_a, run_b)
    names = feature_names([a for a, _ in pairs])
    found = [_Pair(name, a, b) for name, (a, b) in zip(names, pairs, strict=True)]
    remarks = [remark for pair in found for remark in pair.remarks(run_a.name, run_b.name)]
    return Comparison(
        a=run_a.name,
        b=run_b.name,
        settings=settings,
        states=[pair.states() for pair in found],
        numbers=[number for pair in found for number in pair.numbers(max(steps, 2))],
        only_a=[*feature_names(rest_a), *_only(found, lambda pair: (pair.in_a, pair.in_b))],
        only_b=[*feature_names(rest_b), *_only(found, lambda pair: (pair.in_b, pair.in_a))],
        remarks=[
            *(f"{run.name}: {problem}" for run in (run_a, run_b) for problem in run.problems),
            *missing,
            *(remarks if pairs else ["no thing is watched in both runs"]),
        ],
    )


def _only(
    pairs: Sequence[_Pair], sides: Callable[[_Pair], tuple[Columns, Columns]]
) -> Iterator[str]:
    for pair in pairs:
        of = f" of {pair.name}" if len(pairs) > 1 else ""
        yield from (f"{one}{of}" for one in _lacking(*sides(pair)))


def _lacking(here: Columns, there: Columns) -> Iterator[str]:
    """Numbers that only one of the two has; a feature that it alone has is one thing."""
    features = {_split(key)[0] for key in there}
    only = sorted(here.keys() - there.keys(), key=_place)
    named = [(_split(key)[0], key) for key in only]
    yield from dict.fromkeys(f if f and f not in features else key for f, key in named)


class _Pair:
    """One thing, watched by both runs."""

    def __init__(self, name: str, a: History, b: History) -> None:
        self.name, self.a, self.b = name, a, b
        self.in_a, self.in_b = columns(a), columns(b)

    def numbers(self, most: int) -> Iterator[Number]:
        with_numbers = {step for step, event in self.b.events.items() if event.metrics}
        steps = _spread(
            [s for s, e in self.a.events.items() if e.metrics and s in with_numbers], most
        )
        for key in sorted(self.in_a.keys() & self.in_b.keys(), key=_place):
            yield self._number(key, self.in_a[key], self.in_b[key], steps)

    def remarks(self, run_a: str, run_b: str) -> Iterator[str]:
        a, b = self.a, self.b
        if a.title != b.title:
            yield f"{a.title} of {run_a} stands beside {b.title} of {run_b}"
        common = a.events.keys() & b.events.keys()
        if not common:
            yield (
                f"{self.name}: no step in common; compared are the last values, of step "
                f"{a.last_step} of {run_a} and of step {b.last_step} of {run_b}"
            )
        elif (last := max(common)) < max(a.last_step, b.last_step):
            longer = run_a if a.last_step > b.last_step else run_b
            yield f"{self.name}: compared up to step {last}, the last in common; {longer} goes on"
        if not self.in_a.keys() & self.in_b.keys():
            yield f"{self.name}: no number is in both runs"

    def states(self) -> States:
        of_a, of_b = spells(self.a), spells(self.b)
        at_a, at_b = _by_step(self.a, of_a), _by_step(self.b, of_b)
        parted = None
        for step in sorted(at_a.keys() & at_b.keys(), reverse=True):
            if at_a[step] == at_b[step]:
                break
            parted = step
        return States(self.name, _course(of_a), _course(of_b), parted)

    def _number(
        self, key: str, a: Mapping[int, float], b: Mapping[int, float], steps: Collection[int]
    ) -> Number:
        feature, name = _split(key)
        both = [step for step in a if step in b]
        last_a, last_b = (both[-1], both[-1]) if both else ([*a][-1], [*b][-1])
        end = Point(last_a, a[last_a], b[last_b], last_b)
        noise = noise_of([*a.values()], [*b.values()])
        known = NUMBERS.get(name)
        return Number(
            thing=self.name,
            feature=feature,
            name=name,
            headline=bool(known and known.headline),
            points=[*(Point(s, a[s], b[s], s) for s in both[:-1] if s in steps), end],
            common=len(both),
            noise=noise,
            parted=parting(both, [b[step] - a[step] for step in both], noise),
            worse=_worse(end, known.bad if known else None, noise),
        )


def _worse(point: Point, end: str | None, noise: float | None) -> str | None:
    by = worse_by(end, point)
    if noise is None or abs(by) <= LIMIT * noise:
        return None
    return "b" if by > 0 else "a"


def _spread(steps: Sequence[int], most: int) -> Sequence[int]:
    if len(steps) <= most:
        return steps
    last = len(steps) - 1
    return [steps[round(i * last / (most - 1))] for i in range(most)]


def _by_step(history: History, of: Sequence[Spell]) -> dict[int, str]:
    steps = [*history.events]
    return {
        step: spell.kind.name
        for spell in of
        for step in steps[bisect_left(steps, spell.first) : bisect_right(steps, spell.last)]
    }


def _course(of: Sequence[Spell]) -> list[tuple[int, str]]:
    return [(spell.first, spell.kind.name) for spell in of]


def _split(key: str) -> tuple[str, str]:
    number = number_of(key)
    if number is None:
        return "", key
    return key.removesuffix(number.name).rstrip("/"), number.name


def _place(key: str) -> tuple[str, int, str]:
    feature, name = _split(key)
    return feature, [*NUMBERS].index(name) if name in NUMBERS else len(NUMBERS), name
