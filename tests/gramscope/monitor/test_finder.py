"""Views that nobody declared: found where they are, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gramscope.config.views import Views
from gramscope.monitor.finder import ViewFinder, advice, look

Draw = Callable[[torch.Generator], Tensor]


def found(draw: Draw, seed: int = 0) -> tuple[Views | None, int]:
    """What is proposed in the course of a run, and at which event, from 1."""
    generator, finder, events = torch.Generator().manual_seed(seed), ViewFinder(), 0
    while not finder.done:
        events += 1
        batch = draw(generator)
        positions = torch.tensor(look(len(batch)), dtype=torch.int64)
        if views := finder.update(batch[positions], positions, len(batch)):
            assert finder.done
            return views, events
    return None, events


def noise(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator)


def seen(samples: int, levels: list[float], d: int, layout: str = "stacked") -> Draw:
    """Samples, and of each as many views as there are levels of noise."""

    def draw(generator: torch.Generator) -> Tensor:
        content, place = noise(generator, samples, d), 3 * noise(generator, d)
        views = torch.stack([content + level * noise(generator, samples, d) for level in levels])
        return (views if layout == "stacked" else views.transpose(0, 1)).reshape(-1, d) + place

    return draw


def of_classes(labels: list[int], d: int = 16) -> Draw:
    """Samples of classes that are well apart."""

    def draw(generator: torch.Generator) -> Tensor:
        centres = noise(generator, max(labels) + 1, d)
        return centres[torch.tensor(labels)] + 0.3 * noise(generator, len(labels), d)

    return draw


def smooth(n: int, width: int) -> Draw:
    """A series in time, each of whose rows is made of ``width`` events."""

    def draw(generator: torch.Generator) -> Tensor:
        walk = noise(generator, n + width, 32).cumsum(0)
        return walk[width:] - walk[:-width]

    return draw


def volumes(count: int, slices: int) -> Draw:
    """Consecutive slices of volumes, of which those at the same height are alike."""

    def draw(generator: torch.Generator) -> Tensor:
        heights = smooth(slices, 3)(generator)
        return torch.cat([heights + 0.5 * noise(generator, slices, 32) for _ in range(count)])

    return draw


@pytest.mark.parametrize("layout", ["stacked", "interleaved"])
@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize(
    ("samples", "d", "noise"),
    [(8, 8, 0.1), (16, 8, 0.4), (16, 256, 1.5), (32, 256, 0.01), (100, 8, 0.3), (192, 256, 1.0)],
)
def test_views_are_proposed_once_they_were_seen_in_three_events(
    samples: int, d: int, noise: float, count: int, layout: str
) -> None:
    views, events = found(seen(samples, [noise] * count, d, layout))

    assert views == Views(count, layout)
    assert 3 <= events < 20


@pytest.mark.parametrize("local", [0.5, 1.0])
def test_global_and_local_views_are_all_counted(local: float) -> None:
    views, _ = found(seen(16, [0.3, 0.3, local, local, local, local], 64))

    assert views == Views(6)


NO_VIEWS = {
    "random": lambda generator: noise(generator, 64, 256),
    "random and narrow": lambda generator: noise(generator, 96, 2),
    "more rows than are looked at": lambda generator: noise(generator, 240, 8),
    "collapsed": lambda generator: noise(generator, 1, 32).expand(64, 32) + 0.0,
    "nothing": lambda generator: torch.zeros(64, 8),
    "nan": lambda generator: noise(generator, 64, 8) * torch.nan,
    "on a line": lambda generator: noise(generator, 64, 1) @ noise(generator, 1, 32),
    "views on a line": lambda g: noise(g, 32, 1).repeat(2, 1) @ noise(g, 1, 32) + noise(g, 32),
    "views that are hardly alike": seen(32, [0.9] * 2, 8),
    "views of which one is hardly alike": seen(12, [2.5] + [0.02] * 7, 8),
    "unrelated local views": seen(16, [0.3, 0.3, 9.0, 9.0, 9.0, 9.0], 64),
    "more views than are looked for": seen(8, [0.2] * 12, 64),
    "interleaved, more than are looked for": seen(8, [0.2] * 12, 64, "interleaved"),
    "more stacked than are looked for, at large": seen(16, [0.2] * 16, 64),
    "few samples": seen(7, [0.1] * 2, 8),
    "sorted classes": of_classes([i // 16 for i in range(96)]),
    "sorted classes at large": of_classes([i // 16 for i in range(240)]),
    "sorted classes of other sizes": of_classes(sorted(i * i % 11 for i in range(64))),
    "classes at random": of_classes([i * i % 11 for i in range(64)]),
    "classes in turn": of_classes([i % 10 for i in range(240)]),
    "a series in time": smooth(64, 4),
    "a long series in time": smooth(240, 16),
    "a walk": lambda generator: noise(generator, 64, 32).cumsum(0),
    "slices of volumes": volumes(2, 32),
    "slices of many volumes": volumes(8, 12),
}


@pytest.mark.parametrize("kind", NO_VIEWS)
def test_what_only_looks_like_views_is_never_proposed(kind: str) -> None:
    for seed in range(2):
        assert found(NO_VIEWS[kind], seed) == (None, 20)


def test_views_that_come_with_training_are_found() -> None:
    events = iter(range(99))

    def draw(generator: torch.Generator) -> Tensor:
        return seen(16, [4.0 if next(events) < 10 else 0.3] * 2, 64)(generator)

    assert found(draw) == (Views(2), 13)


def test_views_that_come_and_go_are_not_proposed() -> None:
    events = iter(range(99))

    def draw(generator: torch.Generator) -> Tensor:
        return seen(16, [4.0 if next(events) % 3 == 2 else 0.3] * 2, 64)(generator)

    assert found(draw) == (None, 20)


def test_rows_with_nan_leave_the_views_of_the_others() -> None:
    def draw(generator: torch.Generator) -> Tensor:
        batch = seen(16, [0.3] * 2, 64)(generator)
        batch[5] = torch.nan
        return batch

    assert found(draw) == (Views(2), 3)


def test_what_is_done_proposes_nothing_more() -> None:
    finder, batch = ViewFinder(), seen(16, [0.3] * 2, 64)(torch.Generator().manual_seed(0))
    positions = torch.arange(32)

    proposed = [finder.update(batch, positions, 32) for _ in range(5)]

    assert proposed == [None, None, Views(2), None, None]


def test_the_order_in_which_rows_are_given_is_no_matter() -> None:
    finder, batch = ViewFinder(), seen(16, [0.3] * 2, 64)(torch.Generator().manual_seed(0))
    positions = torch.arange(32).flip(0)

    assert [finder.update(batch.flip(0), positions, 32) for _ in range(3)][-1] == Views(2)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 64, 97, 98, 128, 256, 840, 5040, 8192])
def test_few_rows_are_looked_at_and_none_where_views_cannot_be(n: int) -> None:
    positions = look(n)

    possible = [count for count in range(2, 9) if n % count == 0 and n // count >= 8]
    assert bool(positions) == bool(possible)
    assert len(positions) <= 110
    assert positions == sorted(set(positions) & set(range(n)))


@pytest.mark.parametrize(
    ("views", "written"),
    [
        (Views(2), "`views=2`"),
        (Views(4, "interleaved"), "`views={count: 4, layout: interleaved}`"),
    ],
)
def test_advice_names_the_feature_and_what_to_write(views: Views, written: str) -> None:
    line = advice(views, "teacher_cls_token")

    assert "\n" not in line
    assert f"`teacher_cls_token` look like {views.count} {views.layout} views" in line
    assert written in line
